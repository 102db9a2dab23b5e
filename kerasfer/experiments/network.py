"""Which network: flags, and the classifier that they ask for."""

import dataclasses
import hashlib
import pathlib
from typing import Literal

import kerasfer
from kerasfer.experiments.flags import (
    require_above_0,
    require_at_least,
    require_within,
)
from kerasfer.experiments.own_parts import is_own, own_part

# Those of `kerasfer.backbones.BACKBONES`, by name: --help needs no TensorFlow.
NAMES = (
    "compact",
    "wide_resnet_28_2",
    "resnet18",
    "resnet34",
    "alexnet",
    "base_dcnn",
    "inception",
    "vgg16",
    "dlib_resnet",
)
_LOADABLE = ("resnet18", "resnet34", "vgg16", "dlib_resnet")
_OF_KERAS = "keras:"
_HEADS = {
    "pooled": "build_classifier",
    "regions": "build_region_classifier",
    "patches": "build_patch_classifier",
}
_INSTALLED, _DOWNLOADED = pathlib.Path("dlib"), pathlib.Path("imagenet")
NORMALIZATIONS = Literal[
    "per_plane", "unit", "imagenet", "caffe", "vgg_face", "dlib", "none"
]


@dataclasses.dataclass(frozen=True)
class Network:
    backbone: str = "compact"
    """compact, wide_resnet_28_2, resnet18, resnet34, alexnet, base_dcnn, inception,
    vgg16, dlib_resnet; keras:NAME, of keras.applications, such as keras:EfficientNetB0;
    or your own, path/to/file.py:NAME, a function of (height, width, channels) that
    gives a Keras model."""
    backbone_weights: pathlib.Path | None = None
    """PyTorch checkpoint for a ResNet or VGG-16, e.g. resnet18_msceleb.pth; for
    dlib_resnet "dlib" (requirements-faces.txt), or the path of its .dat file; for one
    of Keras "imagenet", which downloads; for any the path of a .weights.h5 file, of
    Keras or of recipes/simsiam.py."""
    normalization: NORMALIZATIONS | None = None
    """Of the pixels; None is what the weights of the backbone expect, per_plane where
    it is trained from scratch."""
    head: Literal["pooled", "regions", "patches"] = "pooled"
    """Between backbone and last layer: the map's mean; regions, the face and five crops
    weighed by attention (RAN, six times the work); patches, 24 gated patches of the map
    (after gACNN)."""
    freeze: tuple[str, ...] = ()
    """Layers of the backbone that stay as they are, by patterns of their names, such as
    conv1*; * is all of it."""
    first_layer_rate: float = 1.0
    """Learning rate of the first layer as a fraction of the last layer's; layers
    between are interpolated by depth."""
    dropout: float = 0.0
    """Rate before the last layer."""
    weight_penalty: Literal["none", "l1", "l2"] = "none"
    """Of all kernels, in the loss; unlike weight-decay it is scaled by Adam."""
    penalty_strength: float = 1e-4
    """Factor of weight-penalty."""
    sync_batch_norm: bool = False
    """Whether batch statistics are of all replicas' faces together."""
    resize_to: int | None = None
    """Side in pixels that the backbone sees. The model then resizes faces of image-size
    on its device, after augmentation; None is image-size."""

    def __post_init__(self):
        require_above_0(self, "penalty_strength")
        require_within(self, 0, 0.999999, "dropout")
        require_within(self, 1e-6, 1, "first_layer_rate")
        if self.resize_to is not None:
            require_at_least(self, 16, "resize_to")
        if self.resize_to is not None and self.head != "pooled":
            raise ValueError(f"--resize-to needs --head pooled. Received: {self.head}.")
        if self.backbone == "dlib_resnet" and self.normalization not in (None, "dlib"):
            raise ValueError(
                "--backbone dlib_resnet needs --normalization dlib. Received: "
                f"{self.normalization}."
            )
        of_keras = self.backbone.startswith(_OF_KERAS)
        if not (of_keras or is_own(self.backbone) or self.backbone in NAMES):
            raise ValueError(
                f"--backbone: expected one of {', '.join(NAMES)}, keras:NAME, or "
                f"path/to/file.py:NAME. Received: {self.backbone}."
            )
        path = self.backbone_weights
        if path and not (
            of_keras or self.backbone in _LOADABLE or self.has_saved_weights
        ):
            raise ValueError(
                f"--backbone-weights needs --backbone {', '.join(_LOADABLE)}, or "
                f"keras:NAME, or a .weights.h5 file. Received: --backbone "
                f"{self.backbone}, {path}."
            )

    @property
    def has_saved_weights(self):
        """Whether `backbone_weights` is a file of Keras' own kind, which fits the
        backbone that saved it."""
        return str(self.backbone_weights).endswith(".weights.h5")

    @property
    def pixels(self):
        """The normalisation, of the flag or as the backbone expects it."""
        if self.normalization is not None:
            return self.normalization
        if is_own(self.backbone) and not self.has_saved_weights:
            return "per_plane"
        expected = "per_plane"
        if not is_own(self.backbone):
            expected = kerasfer.backbones.backbone_by_name(self.backbone).normalization
        if expected not in ("none", "dlib") and self.has_saved_weights:
            raise ValueError(
                f"--backbone-weights: {self.backbone_weights} does not say what pixels "
                "its network saw. Say it by --normalization: for recipes/simsiam.py "
                "what its run printed (per_plane, where it began from scratch), for "
                f"weights of Keras {expected}."
            )
        # dlib's layers and what scales inside are for such pixels in any case.
        needed = self.backbone_weights or expected in ("none", "dlib")
        return expected if needed else "per_plane"


def backbone_digest(network):
    """SHA-256 of weights that another run may write anew under the same name; None
    where there are none, or no file yet."""
    path = network.backbone_weights
    if not network.has_saved_weights or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build_classifier(network, image_shape, num_classes, **options):
    build = getattr(kerasfer, _HEADS[network.head])
    seen = image_shape
    if network.resize_to is not None:
        options["resize_to"] = (network.resize_to, network.resize_to)
        seen = (*options["resize_to"], image_shape[2])
    return build(
        build_backbone(network, seen),
        image_shape,
        num_classes,
        **classifier_options(network),
        **options,
    )


def backbone_builder(network):
    """A function of (height, width, channels) that builds the backbone, its weights
    not loaded."""
    if is_own(network.backbone):
        return own_part(network.backbone, "--backbone")
    return kerasfer.backbones.backbone_by_name(network.backbone)


def require_plain(network):
    """Raises a ValueError for flags that several networks side by side cannot have."""
    if network.first_layer_rate != 1:
        raise ValueError(
            "--first-layer-rate: one_per_au is several networks side by side, and has "
            "no first layer. Expected 1."
        )
    if network.resize_to is not None:
        raise ValueError(
            "--resize-to: one_per_au is several networks side by side. Expected None."
        )
    if network.head != "pooled":
        raise ValueError(
            f"--head: one_per_au has the head pooled. Received: {network.head}."
        )


def build_backbone(network, image_shape):
    """A new backbone, with its weights loaded and its layers frozen."""
    build, path = backbone_builder(network), network.backbone_weights
    least = getattr(build, "least_side", 0)
    if min(image_shape[:2]) < least:
        raise ValueError(
            f"--backbone {network.backbone} needs --image-size {least} at least, or "
            f"--resize-to. "
            f"Received: {min(image_shape[:2])}."
        )
    if path is None:
        backbone = build(image_shape)
    elif network.has_saved_weights:
        backbone = build(image_shape)
        _load_saved(backbone, path)
    elif build.weights == "keras":
        weights = "imagenet" if path == _DOWNLOADED else str(path)
        backbone = build(image_shape, weights=weights)
    else:
        backbone = build(image_shape)
        if build.weights == "dlib":
            path = None if path == _INSTALLED else path
            kerasfer.backbones.load_dlib(backbone, path)
        else:
            kerasfer.backbones.load_pytorch(backbone, path)
    if network.freeze:
        kerasfer.backbones.freeze(backbone, network.freeze)
    return backbone


def _load_saved(backbone, path):
    try:
        backbone.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"--backbone-weights: {path} could not be loaded into {backbone.name}. "
            "Expected weights that the same backbone saved, such as a run of "
            f"recipes/simsiam.py leaves. Keras says: {error}"
        ) from error


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
        "normalization": network.pixels,
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
