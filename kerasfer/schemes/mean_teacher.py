"""Mean Teacher (Tarvainen and Valpola, NIPS 2017)."""

from typing import Any

from kerasfer.losses import batch_mean, probability_error
from kerasfer.schedules import linear_ramp, sigmoid_ramp
from kerasfer.training.conventions import choose_preset
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Tensor

PRESETS = {
    "fer": {"ramp_shape": "linear", "ramp": 0.4, "loss_weights": {"unlabeled": 50.0}},
    "paper": {
        "ramp_shape": "sigmoid",
        "ramp": 0.03,
        "loss_weights": {"unlabeled": 100.0},
    },
}
_RAMPS = {"linear": linear_ramp, "sigmoid": sigmoid_ramp}


class MeanTeacher(SemiSupervisedModel):
    """The student predicts on one weak view what its average predicts on another.

        L = mean H(y, p(x)) + lambda_u w(t) mean (1/K) | p(u_2) - p'(u_1) |^2

    with p' the EMA model, in training mode, a constant for the gradient.

    Presets: "fer" ramps lambda_u 50 linearly over 0.4 of the run (as MixMatch's and
    FixMatch's codes do); "paper" has 100 and exp(-5 (1 - t)^2) over the first 0.03 (5
    of 180 epochs).

    *Deviations*: consistency on unlabelled faces alone (the paper's on all); one head;
    the copy's decay warms up as min(decay, (1 + t) / (10 + t)) instead of 1 - 1/(t +
    1); the copy's running statistics are moved by its own passes and averaged with the
    student's.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords.
        preset: "fer" or "paper"; None below takes its value.
        ramp_shape: "linear" or "sigmoid".
        ramp: fraction of the run over which lambda_u rises.

    Raises:
        ValueError: another preset or shape, or `ema_decay=0`: there is no teacher.

    >>> model = MeanTeacher(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("weak", "weak_2")
    loss_weights = {"supervised": 1.0, "unlabeled": 50.0}

    def __init__(
        self,
        classifier: Classifier,
        preset: str = "fer",
        ramp_shape: str | None = None,
        ramp: float | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = choose_preset(preset, PRESETS, ramp_shape=ramp_shape, ramp=ramp)
        super().__init__(classifier, preset_weights=chosen["loss_weights"], **kwargs)
        if self.ema_classifier is None or chosen["ramp_shape"] not in _RAMPS:
            raise ValueError(
                "Expected ema_decay > 0 (the average is the teacher) and ramp_shape in "
                f"{', '.join(_RAMPS)}. Received: ema_decay={self.ema_decay}, "
                f"ramp_shape={chosen['ramp_shape']!r}."
            )
        self.ramp_shape, self.ramp = _RAMPS[chosen["ramp_shape"]], chosen["ramp"]

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        teacher = self.ema_forward(batch["weak"])
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": teacher,
            "weak_2": self.forward_weak(batch["weak_2"]),
        }
        pseudo = Pseudo.most_probable(teacher["probs"])
        error = probability_error(teacher["probs"], outputs["weak_2"])
        weight = self.ramp_shape(self.progress(), self.ramp)
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "unlabeled": weight * batch_mean(error),
        }
        return Step(losses, labels, outputs, pseudo)
