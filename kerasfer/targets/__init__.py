"""What faces without labels are trained on: pure functions on tensors."""

from kerasfer.targets.mixup import mixup
from kerasfer.targets.pseudo_emotions import pseudo_emotion_scores
from kerasfer.targets.pseudo_labels import hard_pseudo_labels, sharpen

__all__ = ["hard_pseudo_labels", "mixup", "pseudo_emotion_scores", "sharpen"]
