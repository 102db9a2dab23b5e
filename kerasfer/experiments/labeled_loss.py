"""The loss on labelled faces: a flag, and what it asks for."""

import dataclasses

import kerasfer
from kerasfer.experiments.own_parts import is_own, own_part


@dataclasses.dataclass(frozen=True)
class LabeledLoss:
    loss: str = "cross_entropy"
    """On labelled faces: cross_entropy, focal, class_balanced, logit_adjusted,
    label_smoothing, generalized_cross_entropy, squared_error, locality_preserving
    (DLP-CNN), squared_hinge (DLSVM), region_biased (RAN, with --head regions); a name
    of Keras, such as categorical_hinge; or your own, path/to/file.py:NAME, a function
    (labels, outputs) -> (batch,) or a keras.losses.Loss."""

    def build(self, labeled):
        """The loss, for the labelled faces of a split.

        Raises:
            ValueError: there is none of that name.
        """
        loss = own_part(self.loss, "--loss") if is_own(self.loss) else self.loss
        return kerasfer.losses.supervised_loss(loss, labeled.class_counts())
