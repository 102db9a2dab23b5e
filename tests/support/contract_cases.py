"""What the contract is run on: schemes, plug-ins, and the pairs that make sense."""

import keras
import tensorflow as tf

import kerasfer
from kerasfer.plug_ins import ABC, Adsh, InPL, ReMoP
from kerasfer.schemes import (
    CPE,
    MEK,
    RUL,
    UDA,
    AdaCM,
    FaceMix,
    FixMatch,
    FlexMatch,
    LargeMargin,
    MarginMix,
    MeanTeacher,
    MixMatch,
    ProgressiveTeacher,
    PseudoEmotion,
    PseudoLabel,
    ReMixMatch,
    Supervised,
)
from kerasfer.training import PlugIn
from support.toys import au_classifier, faces_with_action_units, random_faces

LABELED, UNLABELED = random_faces(12, side=4), random_faces(16, side=4, seed=1)
NUM_CLASSES = 3
ANNOTATED = faces_with_action_units(12, side=4)
NOT_ANNOTATED = faces_with_action_units(16, side=4, seed=1)
EMOTIONS = {"happiness": (6, 12), "sadness": (1, 4)}


class Everything(PlugIn):
    """Uses each part of the contract: view, output, rule, loss, state, epoch end."""

    views = ("strong_2",)
    loss_weights = {"head": 0.5}

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.head = keras.layers.Dense(NUM_CLASSES, dtype="float32", name="head")
        self.count = self.add_weight(
            name="count",
            shape=(),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )
        self.epochs = 0
        self.built = True

    def attach(self, classifier):
        head = self.head(classifier.output["embedding"])
        return keras.Model(classifier.input, {**classifier.output, "head": head})

    def select(self, weak, rule, scores):
        labels, mask = rule(scores)
        return labels, mask * 0.5

    def losses_of(self, step):
        views = step.outputs["image"], step.outputs["strong_2"]
        return {"head": tf.add_n([tf.reduce_mean(tf.square(v["head"])) for v in views])}

    def updates_of(self, step):
        return (
            (self.count, self.count + 1.0 + 0.0 * step.outputs["image"]["head"][0, 0]),
        )

    def epoch_end(self, model, labeled, unlabeled):
        self.epochs += 1


def margin_mix(classifier, loss_weights=None, **options):
    # lambda_U of 75 diverges at the rate below, and chaos forgives no rounding.
    return MarginMix(
        classifier,
        ramp=0.0,
        centroid_momentum=0.9,
        loss_weights={"unlabeled": 1.0, **(loss_weights or {})},
        **options,
    )


COUNTS = (4, 5, 3)  # labelled faces of each class


def gently(scheme, unlabeled=1.0, **settings):
    """With a weight at which plain SGD at the rate below does not diverge: chaos
    forgives no rounding."""

    def build(classifier, loss_weights=None, **options):
        weights = {"unlabeled": unlabeled, **(loss_weights or {})}
        return scheme(classifier, loss_weights=weights, **settings, **options)

    return build


def pseudo_emotion(classifier, **options):
    """On faces with action units, for which the classifier has other outputs."""
    classifier = au_classifier(dtype=classifier.dtype_policy.name)
    names = ANNOTATED.au_names
    return PseudoEmotion(classifier, names, EMOTIONS, margin_weight=0.05, **options)


SCHEMES = {
    "supervised": Supervised,
    "fixmatch": lambda c, **options: FixMatch(c, threshold=0.3, **options),
    "margin_mix": margin_mix,
    # Thresholds so low that both subsets have faces in the first steps.
    "ada_cm": lambda c, **options: AdaCM(c, floor=0.3, initial=0.45, **options),
    # A threshold below 1/3: which faces pass must not hang on the last bit.
    "pseudo_label": gently(PseudoLabel, 0.3, threshold=0.3, ramp=0.0),
    "mean_teacher": gently(MeanTeacher, ramp=0.0),
    "progressive_teacher": gently(ProgressiveTeacher, ramp=0.0, drop_ramp=0.0),
    "mixmatch": gently(MixMatch, ramp=0.0),
    "remixmatch": gently(ReMixMatch, ramp=0.0),
    "uda": gently(UDA, threshold=0.3, tsa="linear"),
    "flexmatch": gently(FlexMatch, num_unlabeled=len(UNLABELED), threshold=0.4),
    "cpe": gently(CPE, class_counts=COUNTS, threshold=0.3, cuts=(1, 2)),
    "facemix": lambda c, **options: FaceMix(c, overlap=0.6, **options),
    "rul": RUL,
    "mek": lambda c, **options: MEK(c, COUNTS, **options),
    # Weights at which the loss does not pass through 0, nor centroids fly apart.
    "large_margin": lambda c, **options: LargeMargin(c, margin_weight=0.2, **options),
    "island": lambda c, **options: LargeMargin(
        c, "island", margin_weight=0.05, pair_weight=0.1, **options
    ),
    "pseudo_emotion": pseudo_emotion,
}
# A new scheme of kerasfer.schemes is tested as it comes.
_BUILT = {"island", *(name.replace("_", "") for name in SCHEMES)}
SCHEMES |= {
    name.lower(): getattr(kerasfer.schemes, name)
    for name in kerasfer.schemes.__all__
    if name.lower() not in _BUILT
}
# Batch statistics or dropout, or pairs of a device's faces: they differ with the split.
WITH_BATCH_STATISTICS = {"cpe", "rul", "ecan", "facemix", "simsiam"}
PLUG_INS = {
    "alone": (),
    "everything": (Everything,),
    "remop": (lambda: ReMoP(NUM_CLASSES, center_init="labeled_mean"),),
    "remop_at_once": (lambda: ReMoP(NUM_CLASSES),),
    "both": (Everything, lambda: ReMoP(NUM_CLASSES)),
    "abc": (lambda: ABC(COUNTS, threshold=0.3),),
    "adsh": (lambda: Adsh(COUNTS, threshold=0.4),),
    "inpl": (lambda: InPL(NUM_CLASSES, cutoff=-1.0, margin=0.5),),
    "inpl_no_margin": (lambda: InPL(NUM_CLASSES, cutoff=-1.0),),
}
# Alone and with one plug-in that uses all of the contract, every scheme; the others
# where they change what the scheme does.
PAIRS = [(scheme, plug_in) for scheme in SCHEMES for plug_in in ("alone", "everything")]
PAIRS += [(s, "remop") for s in ("supervised", "fixmatch", "ada_cm", "uda", "cpe")]
PAIRS += [
    (scheme, plug_in)
    for scheme in ("fixmatch", "ada_cm", "flexmatch")
    for plug_in in ("both", "abc", "adsh", "inpl")
]
PAIRS += [("supervised", "abc"), ("uda", "inpl"), ("pseudo_label", "adsh")]
PAIRS += [("large_margin", "remop"), ("large_margin", "adsh")]
# ReMoP on what has no pseudo-labels: between prototypes that are still random a label
# may hang on the eighth bit.
EACH_ONCE = [*((s, "alone") for s in SCHEMES), ("supervised", "remop")]
EACH_ONCE += [("fixmatch", p) for p in ("everything", "abc", "adsh", "inpl")]
