"""Targets: constants for the gradient, and the scheme's own whatever is added to it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.contract import build, dataset, faces_of, fit
from support.contract_cases import PLUG_INS, SCHEMES
from support.rotation import often

from kerasfer.data import evaluation_dataset
from kerasfer.training import model as base

# What else than a target the outputs of the forward passes are that make targets:
# (number of the pass, output).
LEARNED = {
    "pseudo_label": {(0, "logits")},
    "ada_cm": {(0, "embedding"), (1, "embedding")},
    "ecan": {(0, "embedding")},
    "mean_teacher": {(1, "logits")},
    "progressive_teacher": {(1, "logits")},
    "large_margin": {(0, "embedding")},
    "island": {(0, "embedding")},
    "pseudo_emotion": {(0, "embedding")},
}
CASES = [(scheme, "alone") for scheme in SCHEMES]
CASES += [("fixmatch", name) for name in ("abc", "adsh", "inpl", "remop_at_once")]


@pytest.mark.parametrize(("scheme", "plug_in"), CASES)
def test_targets_carry_no_gradient(scheme, plug_in, monkeypatch):
    """The loss is differentiated by all that the passes give which make targets."""
    model = build(SCHEMES[scheme], PLUG_INS[plug_in])
    batch, labels = next(iter(dataset(model)))
    watched = {}
    with tf.GradientTape() as tape:
        watch_passes(model, tape, watched, monkeypatch)
        losses = model._loss_parts(model._whole_step(batch, labels))
        loss = tf.add_n(list(losses.values()))
    gradients = tape.gradient(loss, watched)
    reached = {where for where, value in gradients.items() if value is not None}
    assert reached == LEARNED.get(scheme, set())


def watch_passes(model, tape, watched, monkeypatch):
    """Keeps the outputs of each pass that makes targets, before they are constants."""
    passes = []

    def watching(outputs):
        own = {name: tf.identity(value) for name, value in outputs.items()}
        if passes and passes[-1] == "targets":
            for name, value in own.items():
                tape.watch(value)
                watched[passes.count("targets") - 1, name] = value
        return own

    def noted(method, kind):
        def call(images):
            passes.append(kind)
            return method(images)

        return call

    monkeypatch.setattr(base, "own_outputs", watching)
    for name in ("forward_weak", "ema_forward", "measure"):
        object.__setattr__(model, name, noted(getattr(model, name), "targets"))
    object.__setattr__(model, "forward", noted(model.forward, "learned"))


def test_meks_attention_does_not_teach_the_last_layer():
    model = build(SCHEMES["mek"])
    batch, labels = next(iter(dataset(model)))
    variables = model.classifier.trainable_variables
    last = model.classifier.get_layer("logits").trainable_variables
    with tf.GradientTape() as tape:
        attention = model.scheme_step(batch, labels).losses["attention"]
    assert float(attention) > 0
    gradients = tape.gradient(attention, variables)
    reached = [
        id(v) for v, g in zip(variables, gradients, strict=True) if g is not None
    ]
    assert reached and not {id(v) for v in last} & {*reached}


WITH_ABC = [name for name in SCHEMES if name not in ("pseudo_emotion", "simsiam")]


@pytest.mark.parametrize("name", WITH_ABC)
def test_no_target_comes_from_the_balanced_head(name):
    """Another head of ABC: the same losses, state and epoch's end of the scheme."""
    if name == "rul" and not hasattr(keras, "random"):
        pytest.skip("the draws of Keras 2.15's Dropout differ from pass to pass")
    models = [build(SCHEMES[name], PLUG_INS["abc"]) for _ in range(2)]
    shape = models[1].plug_ins[0].head.kernel.shape
    head = np.random.default_rng(0).normal(0, 9, shape)
    for classifier in (models[1].classifier, models[1].ema_classifier):
        classifier.get_layer("abc_logits").kernel.assign(head)
    batch, labels = next(iter(dataset(models[0])))
    steps = [model._whole_step(batch, labels) for model in models]
    ours, theirs = (step.outputs["image"] for step in steps)
    assert (ours["predicted_probs"] != theirs["predicted_probs"]).numpy().any()
    for loss, value in steps[0].losses.items():
        np.testing.assert_array_equal(value, steps[1].losses[loss], err_msg=loss)
    for (_, value), (_, again) in zip(*(step.updates for step in steps), strict=True):
        np.testing.assert_array_equal(value, again)
    for model in models:
        model.epoch_end(*map(evaluation_dataset, faces_of(model)))
    for ours, theirs in zip(models[0].weights, models[1].weights, strict=True):
        if "abc_logits" not in getattr(ours, "path", ours.name):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), ours.name)


@pytest.mark.parametrize(
    "plug_in", ["abc", "adsh", "inpl", "inpl_no_margin", "remop_at_once"]
)
@pytest.mark.parametrize("scheme", often(SCHEMES))
def test_a_plug_in_changes_the_training_or_is_refused(scheme, plug_in):
    try:
        model = build(SCHEMES[scheme], PLUG_INS[plug_in])
    except ValueError as error:
        refusal = str(error)
        assert "does not fit" in refusal and "It fits: " in refusal
        return
    alone = build(SCHEMES[scheme])
    fit(model, steps=2), fit(alone, steps=2, views=model.all_views)
    images = faces_of(model)[0].images
    ours, theirs = (
        m.infer(images, averaged=False)["embedding"] for m in (model, alone)
    )
    assert (np.asarray(ours) != np.asarray(theirs)).any()


def test_what_is_refused_names_the_pair_and_what_fits():
    message = (
        r"^Adsh does not fit MixMatch: it needs a rule for hard pseudo-labels, which "
        r"it replaces; .* It fits: "
    )
    with pytest.raises(ValueError, match=message) as refusal:
        build(SCHEMES["mixmatch"], PLUG_INS["adsh"])
    # Schemes that other tests define may stand among the package's.
    fitting = str(refusal.value).split("It fits: ")[1].rstrip(".").split(", ")
    assert fitting == sorted(fitting)
    expected = (
        "AdaCM FixMatch FlexMatch FreeMatch LargeMargin PseudoLabel SoftMatch UDA"
    )
    assert {*expected.split()} <= {*fitting}
    assert "MixMatch" not in fitting
    with pytest.raises(ValueError, match="InPL does not fit LargeMargin: .*shifts"):
        build(SCHEMES["large_margin"], PLUG_INS["inpl"])
    with pytest.raises(ValueError, match="Adsh does not fit LargeMargin"):
        build(SCHEMES["large_margin"], PLUG_INS["adsh"], unlabeled=False)
    with pytest.raises(ValueError, match="ABC predicts by its own head"):
        build(SCHEMES["fixmatch"], (*PLUG_INS["abc"], *PLUG_INS["remop"]))
