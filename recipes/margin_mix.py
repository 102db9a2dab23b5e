"""Margin-Mix beside supervised training on the same few labels.

    python recipes/margin_mix.py                          (rendered faces, no download)
    python recipes/margin_mix.py --manifest FACES.csv --protocol balanced:labels=560 \
        --seeds 0 1 2 --out runs

Defaults are for 48 pixels, two CPU cores and about 5 minutes: tuned on validation faces
of FER+ for 900 steps, where MixMatch's (lambda_U 75, alpha 0.75, for a million steps)
were worse than supervised. The paper's own tables are not public; its numbers on RAF-DB
as quoted by Ada-CM (WRN-28-2, best test epoch) are 45.8, 66.5 and 70.7 % with 400, 1000
and 4000 labels.
"""

import dataclasses
import functools
import pathlib
from typing import Literal

import _shared

import kerasfer


@dataclasses.dataclass(frozen=True)
class Config:
    manifest: pathlib.Path | None = None
    """CSV of faces: path, label, optionally subject, split. None renders faces."""
    rendered_faces: int = 10000
    """How many to render without a manifest; a fifth is the test part."""
    protocol: str = "balanced:labels=560"
    """Who is labelled: balanced:labels=N, random:labels=N, ada_cm:N,
    imbalanced:n1=N,gamma=G, fraction:F or all."""
    unlabeled: pathlib.Path | None = None
    """CSV of further unlabelled faces."""
    unlabeled_from: Literal["rest", "other", "both"] | None = None
    """Unlabelled faces: the rest of the manifest, the other CSV, or both."""
    split: pathlib.Path | None = None
    """A split.csv of an earlier run, instead of the protocol."""
    seeds: tuple[int, ...] = (0,)
    """One run each: the split, the initial weights and the order of the data."""
    beside: tuple[Literal["supervised", "fixmatch"], ...] = ("supervised",)
    """Schemes to train on the same split for comparison."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder for the runs."""

    backbone: Literal["compact", "wide_resnet_28_2"] = "compact"
    """Backbone."""
    image_size: int = 48
    """Side of the classifier's input in pixels."""
    normalization: Literal["per_plane", "unit", "imagenet"] = "per_plane"
    """Of the pixels."""
    pad: float = 0.1
    """Border of the weak view's random crop, as a fraction of the side."""
    dropout: float = 0.0
    """Rate before the last layer."""
    batch_size: int = 64
    """B, labelled faces a step."""
    unlabeled_ratio: int = 1
    """mu, unlabelled faces a step over labelled ones."""
    learning_rate: float = 2e-3
    """Of Adam, falling to 0 by a half cosine."""
    weight_decay: float = 0.02
    """Of AdamW: times the learning rate, a step."""
    epochs: int = 12
    """Of steps-per-epoch steps; each ends with a validation."""
    steps_per_epoch: int = 60
    """Steps of an epoch."""
    ema_decay: float = 0.999
    """Of the averaged weights that are evaluated."""
    monitor: Literal["val_accuracy", "val_mean_class_accuracy"] = "val_accuracy"
    """What picks the epoch, on validation faces."""

    membership: Literal["softmax", "inverse"] = "softmax"
    """Distances to self-labels q: softmax(-D/tau_d), or inverse squares."""
    temperature: float = 0.1
    """tau_d of the softmax."""
    sharpening: float = 1.0
    """T of MixMatch's sharpening; 1 leaves q soft."""
    mixup_alpha: float = 0.2
    """alpha of Beta(alpha, alpha)."""
    unlabeled_weight: float = 5.0
    """lambda_U of the squared error on unlabelled faces."""
    ramp: float = 0.4
    """Fraction of the run over which lambda_U rises from 0."""
    margin_weight: float = 0.1
    """lambda_M of the large margin."""
    centroid_images: Literal["labeled", "all"] = "labeled"
    """Faces whose mean is a class centroid; all: unlabelled ones too, weighted by q."""
    centroid_momentum: float = 1.0
    """Of the centroids within an epoch; 1 moves them at its end only."""
    threshold: float = 0.95
    """tau of FixMatch."""

    def __post_init__(self):
        _shared.require_at_least(
            self, 0, "weight_decay", "unlabeled_weight", "threshold"
        )
        _shared.require_at_least(self, 0, "margin_weight", "seeds")
        _shared.require_at_least(self, 1, "batch_size", "unlabeled_ratio", "epochs")
        _shared.require_at_least(self, 1, "steps_per_epoch")
        _shared.require_at_least(self, 16, "image_size")
        _shared.require_at_least(self, 100, "rendered_faces")
        if self.manifest is None and (self.unlabeled or self.split):
            raise ValueError("--unlabeled and --split need a --manifest.")
        _shared.require_above_0(self, "learning_rate", "temperature", "sharpening")
        _shared.require_above_0(self, "mixup_alpha")
        _shared.require_within(self, 0, 1, "ramp", "centroid_momentum")
        _shared.require_within(self, 0, 0.5, "pad")
        _shared.require_within(self, 0, 0.999999, "dropout", "ema_decay")


@functools.cache
def rendered_faces(count):
    # The same faces for every seed of a run, which draws who is labelled.
    print(f"Rendering {count} faces.")
    return kerasfer.data.synthetic.render_manifest(count, seed=0)


def build_split(config, seed):
    if config.manifest is None:
        faces = rendered_faces(config.rendered_faces)
        return kerasfer.data.protocols.split(faces, config.protocol, seed)
    manifest = kerasfer.data.read_manifest(config.manifest)
    if not manifest.class_names:
        raise ValueError(
            f"{config.manifest} has no expression labels. Expected a column `label` "
            "with at least one class."
        )
    other = config.unlabeled and kerasfer.data.read_manifest(config.unlabeled)
    if config.split:
        return kerasfer.data.load_split(config.split, manifest, other)
    return kerasfer.data.protocols.split(
        manifest, config.protocol, seed, other, config.unlabeled_from
    )


def build_data(config, model, split, seed):
    shape = model.classifier.input_shape[1:]
    audit = ("audit_label",) if model.all_views else ()
    train = kerasfer.data.training_dataset(
        split.labeled,
        split.unlabeled,
        views=model.all_views + audit,
        batch_size=config.batch_size,
        unlabeled_ratio=config.unlabeled_ratio,
        seed=seed,
        image_shape=shape,
        mixup_alpha=config.mixup_alpha,
        pad=config.pad,
    )
    evaluated = [
        kerasfer.data.evaluation_dataset(part, image_shape=shape)
        for part in (split.validation, split.labeled)
    ]
    return train, *evaluated


def build_model(config, method, num_classes):
    import keras

    classifier = kerasfer.build_classifier(
        config.backbone,
        (config.image_size, config.image_size, 3),
        num_classes,
        normalization=config.normalization,
        dropout=config.dropout,
    )
    schemes = kerasfer.schemes
    if method == "supervised":
        model = schemes.Supervised(classifier, ema_decay=config.ema_decay)
    elif method == "fixmatch":
        model = schemes.FixMatch(
            classifier, threshold=config.threshold, ema_decay=config.ema_decay
        )
    else:
        model = schemes.MarginMix(
            classifier,
            membership=config.membership,
            temperature=config.temperature,
            sharpening=config.sharpening,
            ramp=config.ramp,
            centroid_images=config.centroid_images,
            centroid_momentum=config.centroid_momentum,
            ema_decay=config.ema_decay,
            loss_weights={
                "unlabeled": config.unlabeled_weight,
                "margin": config.margin_weight,
            },
        )
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.epochs * config.steps_per_epoch
    )
    model.compile(
        keras.optimizers.Adam(rate, weight_decay=config.weight_decay),
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            kerasfer.metrics.MeanClassAccuracy(num_classes),
        ],
    )
    return model


def train(config, method, seed, folder):
    """One run; returns its result, from the folder if it is finished already."""
    import keras

    settings = dataclasses.asdict(config)
    for elsewhere in ("seeds", "beside", "out"):
        del settings[elsewhere]
    settings = {
        k: str(v) if isinstance(v, pathlib.Path) else v for k, v in settings.items()
    }
    run = _shared.open_run(folder, {"method": method, "seed": seed, **settings})
    if run.result is not None:
        print(f"{folder} is finished; its result is taken as it is.")
        return run.result
    keras.utils.set_random_seed(seed)
    split = build_split(config, seed)
    kerasfer.data.save_split(split, run.folder / "split.csv")
    model = build_model(config, method, split.labeled.num_classes)
    train_data, validation, labeled = build_data(config, model, split, seed)
    unlabeled = None
    if config.centroid_images == "all":
        unlabeled = kerasfer.data.evaluation_dataset(
            split.unlabeled, image_shape=model.classifier.input_shape[1:]
        )
    update = kerasfer.callbacks.EpochUpdate(labeled, unlabeled)
    return _shared.fit_and_test(
        run, config, model, split, train_data, validation, [update]
    )


def main():
    config = _shared.parse(Config)
    with _shared.reported_errors():
        rule = (
            config.split.resolve().parent.parent.name
            if config.split
            else config.protocol
        )
        faces = config.manifest.resolve().parent.name if config.manifest else "rendered"
        name = f"{faces}_{rule}"
        folder = config.out / "margin_mix" / _shared.slug(name)
        methods = dict.fromkeys([*config.beside, "margin_mix"])
        results = [
            train(config, method, seed, folder / f"seed{seed}" / method)
            for seed in config.seeds
            for method in methods
        ]
        _shared.report(folder, results)


if __name__ == "__main__":
    main()
