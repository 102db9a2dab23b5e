"""Which network: flags, and the classifier that they ask for."""

import dataclasses
import pathlib
from typing import Literal

import kerasfer
from kerasfer.experiments.flags import require_above_0, require_within

BACKBONES = Literal[
    "compact",
    "wide_resnet_28_2",
    "resnet18",
    "resnet34",
    "alexnet",
    "vgg16",
    "dlib_resnet",
]
_LOADABLE = ("resnet18", "resnet34", "vgg16", "dlib_resnet")
_INSTALLED = pathlib.Path("dlib")


@dataclasses.dataclass(frozen=True)
class Network:
    backbone: BACKBONES = "compact"
    """Backbone."""
    backbone_weights: pathlib.Path | None = None
    """PyTorch checkpoint for a ResNet or VGG-16, e.g. resnet18_msceleb.pth; for
    dlib_resnet "dlib" (requirements-faces.txt), or the path of its .dat file."""
    normalization: Literal[
        "per_plane", "unit", "imagenet", "caffe", "vgg_face", "dlib", "none"
    ] = "per_plane"
    """Of the pixels; imagenet for a pretrained ResNet, vgg_face for VGG-Face, dlib for
    dlib_resnet."""
    dropout: float = 0.0
    """Rate before the last layer."""
    weight_penalty: Literal["none", "l1", "l2"] = "none"
    """Of all kernels, in the loss; unlike weight-decay it is scaled by Adam."""
    penalty_strength: float = 1e-4
    """Factor of weight-penalty."""
    sync_batch_norm: bool = False
    """Whether batch statistics are of all replicas' faces together."""

    def __post_init__(self):
        require_above_0(self, "penalty_strength")
        require_within(self, 0, 0.999999, "dropout")
        if self.backbone == "dlib_resnet" and self.normalization != "dlib":
            raise ValueError(
                "--backbone dlib_resnet needs --normalization dlib. Received: "
                f"{self.normalization}."
            )
        if self.backbone_weights and self.backbone not in _LOADABLE:
            raise ValueError(
                f"--backbone-weights needs --backbone {', '.join(_LOADABLE)}. "
                f"Received: {self.backbone}."
            )


def build_classifier(network, image_shape, num_classes, **options):
    backbone = network.backbone
    if network.backbone_weights:
        backbone = kerasfer.backbones.BACKBONES[backbone](image_shape)
        _load(network, backbone)
    return kerasfer.build_classifier(
        backbone, image_shape, num_classes, **classifier_options(network), **options
    )


def _load(network, backbone):
    path = network.backbone_weights
    if network.backbone == "dlib_resnet":
        kerasfer.backbones.load_dlib(backbone, None if path == _INSTALLED else path)
    else:
        kerasfer.backbones.load_pytorch(backbone, path)


def estimate_statistics(network, model, some_faces):
    """Batch statistics of dlib's network, of the run's own faces.

    Args:
        network: the flags.
        model: a scheme, not trained yet.
        some_faces: gives a data set of (image, label), a few hundred faces; called
            where it is needed.
    """
    if network.backbone != "dlib_resnet" or not network.backbone_weights:
        return
    normalize = model.classifier.get_layer("normalization")
    kerasfer.backbones.estimate_statistics(
        model.classifier.get_layer("dlib_resnet"),
        (normalize(images) for images, _ in some_faces()),
    )
    if model.ema_classifier is not None:
        model.ema_classifier.set_weights(model.classifier.get_weights())


def classifier_options(network):
    """Keywords that every classifier takes."""
    return {
        "normalization": network.normalization,
        "dropout": network.dropout,
        "weight_penalty": _penalty(network),
        "synchronized_batch_norm": network.sync_batch_norm,
    }


def _penalty(network):
    import keras

    penalties = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}
    if network.weight_penalty == "none":
        return None
    return penalties[network.weight_penalty](network.penalty_strength)
