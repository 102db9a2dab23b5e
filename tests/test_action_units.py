"""Action units as emotions."""

import numpy as np
import pytest

from kerasfer.action_units import (
    DESCRIPTIONS,
    EMOTIONET,
    PROTOTYPES,
    REDUCED_SET,
    emotions_of,
    prototype_weights,
)
from kerasfer.data.synthetic import render_manifest
from kerasfer.targets.pseudo_emotions import NORMS, pseudo_emotion_scores


def face_of(*units, au_names=EMOTIONET):
    """A face with these units at 1, all others at 0."""
    return [float(int(name.removeprefix("AU")) in units) for name in au_names]


def scores_by_loops(au, table, norm, au_names):
    """The three formulas, one emotion and one unit at a time."""
    scores = []
    for units in table.values():
        members = units if isinstance(units, dict) else dict.fromkeys(units, 1.0)
        members = {n: w for n, w in members.items() if f"AU{n}" in au_names}
        value = {
            int(name.removeprefix("AU")): a
            for name, a in zip(au_names, au, strict=True)
        }
        total = sum(weight * value[n] for n, weight in members.items())
        others = [a for n, a in value.items() if n not in members]
        scores.append(
            {
                "count": total / sum(members.values()),
                "sqrt": total / np.sqrt(sum(w**2 for w in members.values())),
                # Mean and deviation where each unit is uniform in [0, 1]: of weight w,
                # w/2 and w/sqrt(12).
                "standard": (total - sum(members.values()) / 2)
                / np.sqrt(sum(w**2 for w in members.values()) / 12),
                "contrast": total / sum(members.values()) - np.mean(others),
            }[norm]
        )
    return scores


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("table", PROTOTYPES)
def test_scores_are_the_formulas(table, norm):
    au = np.random.default_rng(0).random((3, 12)).astype(np.float32)
    scores = pseudo_emotion_scores(au, table, norm)
    expected = [scores_by_loops(a, PROTOTYPES[table], norm, EMOTIONET) for a in au]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_a_table_and_units_of_your_own():
    table = {"smile": {12: 2.0, 6: 1.0}, "frown": (4, 99)}
    names = ("AU4", "AU12", "AU6")
    scores = pseudo_emotion_scores([[0.3, 0.6, 0.9]], table, "count", names)
    # (2 * .6 + .9) / 3, and AU4 alone, as nobody gives AU99.
    np.testing.assert_allclose(scores, [[0.7, 0.3]], rtol=1e-6)
    assert emotions_of(table) == ("smile", "frown")


@pytest.mark.parametrize("norm", ["sqrt", "contrast"])
@pytest.mark.parametrize("table", ["emfacs", "facs"])
def test_every_prototype_is_its_own_emotion(table, norm):
    faces = [face_of(*units) for units in PROTOTYPES[table].values()]
    scores = np.asarray(pseudo_emotion_scores(faces, table, norm))
    if norm == "contrast" and table == "emfacs":
        # Of fear's other units nothing is there, of sadness' all of fear's: fear wins.
        assert scores[5].argmax() == 5
    np.testing.assert_array_equal(scores.argmax(-1), range(6))


def test_standard_scores_are_balanced_under_noise_and_leave_out_a_flat_face():
    noise = np.random.default_rng(0).random((20000, len(EMOTIONET)))
    scores = np.asarray(pseudo_emotion_scores(noise, norm="standard"))
    np.testing.assert_allclose(scores.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(scores.std(0), 1, atol=0.02)
    shares = np.bincount(scores.argmax(-1), minlength=6) / len(scores)
    assert shares.min() > 0.08 and shares.max() < 0.25
    faces = render_manifest(600, seed=0)
    scores = np.asarray(
        pseudo_emotion_scores(faces.action_units, "emfacs", "standard", faces.au_names)
    )
    shares = np.bincount(scores.argmax(-1), minlength=6) / len(scores)
    assert shares.max() < 0.28
    flat = pseudo_emotion_scores(np.full((1, 12), 0.1), norm="standard")
    assert float(np.max(flat)) < 0


def test_the_trap_of_count_fear_is_rarely_assigned():
    fear = emotions_of().index("fear")
    perfect = np.asarray(pseudo_emotion_scores([face_of(1, 2, 4, 5, 20, 26)]))[0]
    # sqrt 6 for fear, 2 for surprise, sqrt 2 for sadness and anger.
    np.testing.assert_allclose(
        perfect[[fear, 1, 2, 3]], [6**0.5, 2.0, 2**0.5, 2**0.5], rtol=1e-6
    )
    tied = np.asarray(
        pseudo_emotion_scores([face_of(1, 2, 4, 5, 20, 26)], norm="count")
    )
    np.testing.assert_allclose(tied[0, [fear, 1, 2, 3]], 1.0)
    # Faces of fear as a network gives them: its units around 0.9, none exactly. Three
    # subsets must be below their complement, each in half of the faces: fewer of all
    # than the one in six of a blind guess.
    rng = np.random.default_rng(0)
    faces = 0.8 * np.array(face_of(1, 2, 4, 5, 20, 26)) + rng.uniform(
        0, 0.2, (1000, 12)
    )
    assigned = {
        norm: (np.asarray(pseudo_emotion_scores(faces, norm=norm)).argmax(-1) == fear)
        for norm in NORMS
    }
    assert assigned["count"].mean() < 1 / 6
    assert assigned["sqrt"].all()


def test_contempt_is_left_out_and_names_are_described():
    for table in PROTOTYPES.values():
        assert "contempt" not in table
        assert {n for units in table.values() for n in units} <= set(DESCRIPTIONS)
    assert set(REDUCED_SET) < set(EMOTIONET) and len(EMOTIONET) == 12
    assert {f"AU{number}" for number in DESCRIPTIONS} >= set(EMOTIONET)


def test_weights_are_restricted_to_the_units_there_are():
    weights = prototype_weights("emfacs")
    sadness = [name for name, w in zip(EMOTIONET, weights[2], strict=True) if w]
    assert sadness == ["AU1", "AU4"]  # without AU15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "max"}, "one of count, sqrt, contrast, standard. Received: 'max'"),
        ({"table": "ekman"}, "one of emfacs, facs, du.*Received: 'ekman'"),
        ({"table": {"joy": (12,)}}, "needs two emotions"),
        ({"table": {"joy": (12,), "pain": (99,)}}, "None of the .* of pain is among"),
        ({"table": {"joy": (12,), "glee": (12, 99)}}, "joy and glee have the same"),
        ({"table": {"joy": {12: -1.0}, "woe": (4,)}}, "must be 0 or more"),
        ({"au_names": ("AU1", "smile")}, 'such as "AU12". Received: .smile.'),
        (
            {"au_names": ("AU12", "AU4"), "table": {"joy": (12,), "woe": (4,)}},
            "a column",
        ),
    ],
)
def test_what_cannot_be_scored(options, message):
    with pytest.raises(ValueError, match=message):
        pseudo_emotion_scores(np.zeros((1, 12)), **options)
