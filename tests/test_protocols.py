import dataclasses

import numpy as np
import pytest
from support.toys import random_faces

from kerasfer.data import check_split, from_arrays, load_split, protocols, save_split
from kerasfer.data.budgets import class_budgets, parse

RAF_COUNTS = [1290, 281, 717, 4772, 1982, 705, 2524]
SFEW_COUNTS = [178, 66, 98, 198, 150, 172, 96]  # 958 training images
RAF_NAMES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
PARTS = ("labeled", "unlabeled", "validation", "test")


def labels_only(counts, **columns):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint32).view(np.uint8)
    return from_arrays(images.reshape(-1, 1, 4, 1), labels, **columns)


def names(split):
    return {part: set(getattr(split, part).names) for part in PARTS}


# --- budgets --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n1", "gamma", "sizes"),  # methods: ReMoP's own split code, by rank of the class
    [
        (2000, 50, [2000, 1042, 542, 282, 147, 76, 40]),
        (2000, 150, [2000, 867, 376, 163, 70, 30, 13]),
        (500, 50, [500, 260, 135, 70, 36, 19, 10]),
        (500, 150, [500, 216, 94, 40, 17, 7, 3]),
    ],
)
def test_imbalanced_budgets_of_remop(n1, gamma, sizes):
    spec = parse(f"imbalanced:n1={n1},gamma={gamma}")
    budgets = class_budgets(spec, RAF_COUNTS, RAF_NAMES)
    rank = [3, 6, 4, 0, 2, 5, 1]  # happiness is largest, fear smallest
    np.testing.assert_array_equal(budgets[rank], sizes)


@pytest.mark.parametrize(
    ("n1", "sizes"),
    [
        (4000, [4000, 1955, 955, 467, 228, 111, 54, 26]),
        (1000, [1000, 488, 238, 116, 57, 27, 13, 6]),
    ],
)
def test_imbalanced_budgets_of_eight_classes_with_a_tie(n1, sizes):
    # FER+ by majority: disgust and contempt both have 119 images.
    counts = [8740, 7287, 3149, 3014, 2100, 119, 532, 119]
    spec = parse(f"imbalanced:n1={n1},gamma=150")
    budgets = class_budgets(spec, counts, "abcdefgh")
    np.testing.assert_array_equal(sorted(budgets, reverse=True), sizes)
    assert budgets[5] == sizes[6] and budgets[7] == sizes[7]


@pytest.mark.parametrize(
    ("total", "fear", "other"),
    [
        (100, 10, 15),
        (400, 40, 60),
        (1000, 100, 150),
        (2000, 200, 300),
        (4000, 250, 625),
    ],
)
def test_ada_cm_budgets(total, fear, other):
    budgets = class_budgets(parse(f"ada_cm:{total}"), RAF_COUNTS, RAF_NAMES)
    np.testing.assert_array_equal(budgets, [other, fear] + [other] * 5)
    assert budgets.sum() == total


@pytest.mark.parametrize(
    ("protocol", "counts", "budgets"),
    [
        # 100 = 7 * 14 + 2 and 400 = 7 * 57 + 1; the remainder to the largest classes.
        ("ada_cm_sfew:100", SFEW_COUNTS, [15, 14, 14, 15, 14, 14, 14]),
        ("ada_cm_sfew:400", SFEW_COUNTS, [57, 57, 57, 58, 57, 57, 57]),
        ("ada_cm_affectnet:2000", [5000] * 8, [250] * 8),
        ("ada_cm_affectnet:10000", [5000] * 8, [1250] * 8),
    ],
)
def test_ada_cm_budgets_of_other_data(protocol, counts, budgets):
    found = class_budgets(parse(protocol), counts, "abcdefgh"[: len(counts)])
    assert found.sum() == int(protocol.split(":")[1])
    np.testing.assert_array_equal(found, budgets)


def test_balanced_and_fraction_budgets():
    counts = [50, 90, 10]
    budgets = class_budgets(parse("balanced:labels=20"), counts, "abc")
    np.testing.assert_array_equal(budgets, [7, 7, 6])  # the remainder to the largest
    budgets = class_budgets(parse("fraction:0.02"), counts, "abc")
    np.testing.assert_array_equal(budgets, [1, 2, 1])


@pytest.mark.parametrize(
    "spec",
    ["balanced", "balanced:labels=0", "balanced:labels=x", "balanced:n=3", "ada_cm:500",
     "ada_cm_sfew:1000", "ada_cm_affectnet:x",
     "imbalanced:n1=5", "imbalanced:n1=5,gamma=0.5", "fraction:0", "fraction:1.5",
     "all:1", "everything", ""],
)  # fmt: skip
def test_an_unknown_protocol_lists_the_known_ones(spec):
    with pytest.raises(ValueError, match="imbalanced:n1=N,gamma=G"):
        parse(spec)


def test_more_labels_than_images_names_the_class():
    with pytest.raises(ValueError, match="Class b has 3 images.*the 5 labels"):
        class_budgets(parse("balanced:labels=10"), [9, 3], "ab")
    with pytest.raises(ValueError, match="Class b would have no labelled image"):
        class_budgets(parse("imbalanced:n1=5,gamma=50"), [9, 3], "ab")
    with pytest.raises(ValueError, match="seven classes of RAF-DB"):
        class_budgets(parse("ada_cm:100"), [999] * 8, "abcdefgh")
    with pytest.raises(ValueError, match="ada_cm_affectnet needs 8 classes"):
        class_budgets(parse("ada_cm_affectnet:2000"), [999] * 7, "abcdefg")


# --- splits ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    ["balanced:labels=60", "random:labels=100", "imbalanced:n1=100,gamma=10",
     "fraction:0.1", "all"],
)  # fmt: skip
@pytest.mark.parametrize("with_subjects", [False, True])
def test_parts_are_disjoint_and_together_everything(spec, with_subjects):
    counts = [900, 300, 300]
    subjects = np.arange(1500) // 4 if with_subjects else None
    manifest = labels_only(counts, subjects=subjects)
    split = protocols.split(manifest, spec, seed=3)
    parts = names(split)
    assert sum(map(len, parts.values())) == 1500
    assert len(set.union(*parts.values())) == 1500
    labeled, validation = len(split.labeled), len(split.validation)
    assert 0 < validation <= labeled
    train = 1500 - len(split.test)
    share = train if spec == "all" else train - labeled
    assert validation <= 0.1 * share
    if spec != "all":
        left = np.bincount(split.unlabeled.labels, minlength=3)
        assert left.all()
    if with_subjects:
        held_out = [set(p.subjects) for p in (split.test, split.validation)]
        trained = set(split.labeled.subjects) | set(split.unlabeled.subjects)
        assert not held_out[0] & held_out[1]
        assert not trained & (held_out[0] | held_out[1])


def test_budgets_are_met_and_smaller_ones_are_part_of_larger_ones():
    manifest = labels_only([400, 200, 100])
    few = protocols.split(manifest, "balanced:labels=30", seed=1)
    many = protocols.split(manifest, "balanced:labels=90", seed=1)
    np.testing.assert_array_equal(few.labeled.class_counts(), [10, 10, 10])
    np.testing.assert_array_equal(many.labeled.class_counts(), [30, 30, 30])
    assert names(few)["labeled"] < names(many)["labeled"]


def test_membership_depends_on_seed_and_path_alone():
    manifest = labels_only([60, 60])
    split = protocols.split(manifest, "balanced:labels=20", seed=5)
    shuffled = manifest.subset(np.random.default_rng(0).permutation(120))
    assert names(protocols.split(shuffled, "balanced:labels=20", 5)) == names(split)
    other = protocols.split(manifest, "balanced:labels=20", seed=6)
    assert names(other)["labeled"] != names(split)["labeled"]
    assert names(other)["test"] == names(split)["test"]
    # blake2b of "0/a.png", digest of 8 bytes, big endian: the same on every machine.
    import hashlib

    digest = hashlib.blake2b(b"0/a.png", digest_size=8).digest()
    assert protocols.hash_order(0, ["a.png"])[0] == int.from_bytes(digest, "big")


def test_a_class_of_two_keeps_one_image_in_the_pool():
    manifest = labels_only([500, 2], parts=["train"] * 502)
    split = protocols.split(manifest, "balanced:labels=2", seed=0)
    np.testing.assert_array_equal(split.unlabeled.class_counts()[1], 1)


def test_written_parts_are_kept_and_validation_is_thinned_to_the_labels():
    parts = ["train"] * 60 + ["validation"] * 30 + ["test"] * 30
    labels = np.arange(120) % 2
    manifest = dataclasses.replace(
        labels_only([60, 60]), labels=labels.astype(np.int32), parts=np.array(parts)
    )
    split = protocols.split(manifest, "balanced:labels=10", seed=0)
    assert set(split.validation.parts) == {"validation"}
    assert len(split.validation) == 10
    np.testing.assert_array_equal(split.test.names, manifest.names[90:])


def test_unlabelled_rows_are_never_tested_on_and_come_into_the_pool():
    manifest = labels_only([100, 100])
    labels = manifest.labels.copy()
    labels[::2] = -1
    manifest = dataclasses.replace(manifest, labels=labels)
    split = protocols.split(manifest, "balanced:labels=10", seed=0)
    assert (split.test.labels >= 0).all() and (split.validation.labels >= 0).all()
    assert (split.unlabeled.labels < 0).sum() == 100
    untested = dataclasses.replace(manifest, parts=np.array(["test", "train"] * 100))
    with pytest.raises(ValueError, match="100 images of the test or validation set"):
        protocols.split(untested, "balanced:labels=10", seed=0)


def test_rows_of_the_split_unlabeled_are_never_labelled():
    parts = np.array(["train", "unlabeled", "test"] * 40)
    manifest = dataclasses.replace(labels_only([60, 60]), parts=parts)
    split = protocols.split(manifest, "balanced:labels=10", seed=0)
    assert set(split.labeled.parts) == set(split.validation.parts) == {"train"}
    assert (split.unlabeled.parts == "unlabeled").sum() == 40
    assert set(split.unlabeled.parts) == {"train", "unlabeled"}


def test_action_units_are_drawn_at_random():
    manifest = labels_only([100])
    units = np.full((100, 2), -1, np.float32)
    units[:60, 0] = 1
    manifest = dataclasses.replace(
        manifest, class_names=(), labels=np.full(100, -1, np.int32),
        action_units=units, au_names=("AU1", "AU2"),
    )  # fmt: skip
    split = protocols.split(manifest, "random:labels=20", seed=0)
    assert len(split.labeled) == 20 and split.labeled.targets.shape == (20, 2)
    assert (split.labeled.action_units[:, 0] == 1).all()


def test_unlabelled_faces_from_elsewhere(caplog):
    manifest = random_faces(60, seed=0)
    other = random_faces(40, seed=1)
    mixed = dataclasses.replace(
        other, images=np.concatenate([other.images[:30], manifest.images[:10]])
    )
    split = protocols.split(manifest, "balanced:labels=9", 0, mixed)
    assert len(split.unlabeled) == 30  # ten were our own
    assert "10 of 40 unlabelled faces" in caplog.text
    both = protocols.split(manifest, "balanced:labels=9", 0, other, "both")
    rest = protocols.split(manifest, "balanced:labels=9", 0)
    assert len(both.unlabeled) == len(rest.unlabeled) + 40
    renamed = dataclasses.replace(other, class_names=("2", "x", "0"))
    split = protocols.split(manifest, "balanced:labels=9", 0, renamed)
    np.testing.assert_array_equal(split.unlabeled.labels[:3], [2, -1, 0])


@pytest.mark.parametrize(("source", "given"), [("other", False), ("rest", True)])
def test_a_source_of_unlabelled_faces_that_does_not_fit(source, given):
    manifest = random_faces(30)
    with pytest.raises(ValueError, match="together with 'other' or 'both'"):
        protocols.split(
            manifest, "all", 0, random_faces(9, seed=1) if given else None, source
        )
    with pytest.raises(ValueError, match="rest, other, both"):
        protocols.split(manifest, "all", 0, None, "elsewhere")


def test_errors_of_split():
    manifest = labels_only([300, 3])
    with pytest.raises(ValueError, match="at most .* labels"):
        protocols.split(manifest, "random:labels=400", 0)
    with pytest.raises(ValueError, match="No labelled image of class 1"):
        protocols.split(manifest, "random:labels=1", 0)
    unlabelled = dataclasses.replace(
        manifest, class_names=(), labels=np.full(303, -1, np.int32)
    )
    with pytest.raises(ValueError, match="no labels"):
        protocols.split(unlabelled, "all", 0)


# --- split files ----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["rest", "other", "both"])
def test_a_split_can_be_saved_and_given_back(tmp_path, source):
    manifest = random_faces(60, seed=0)
    other = None
    if source != "rest":
        other = random_faces(20, seed=1)
        other = dataclasses.replace(other, names=np.char.add("other_", other.names))
    split = protocols.split(manifest, "balanced:labels=9", 0, other, source)
    save_split(split, tmp_path / "split.csv")
    again = load_split(tmp_path / "split.csv", manifest, other)
    for part in PARTS:
        ours, theirs = getattr(split, part), getattr(again, part)
        np.testing.assert_array_equal(ours.names, theirs.names)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_array_equal(ours.images, theirs.images)


def test_a_split_of_other_images_is_refused(tmp_path):
    manifest = random_faces(60, seed=0)
    save_split(protocols.split(manifest, "fraction:0.2", 0), tmp_path / "split.csv")
    with pytest.raises(ValueError, match="another hash"):
        load_split(tmp_path / "split.csv", random_faces(60, seed=1))
    with pytest.raises(ValueError, match="names .* images that the manifest does not"):
        load_split(tmp_path / "split.csv", random_faces(30, seed=0))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_split(tmp_path / "none.csv", manifest)
    (tmp_path / "bad.csv").write_text("path\na\n")
    with pytest.raises(ValueError, match="expected columns part, path, sha256"):
        load_split(tmp_path / "bad.csv", manifest)


def changed(split, part, **columns):
    return dataclasses.replace(
        split, **{part: dataclasses.replace(getattr(split, part), **columns)}
    )


def test_a_split_is_checked_by_paths_contents_labels_and_parts(tmp_path):
    manifest = random_faces(60, seed=0)
    split = protocols.split(manifest, "balanced:labels=9", 0)
    path = tmp_path / "split.csv"
    save_split(split, path)
    check_split(split, path)
    labels = split.labeled.labels.copy()
    labels[0] = (labels[0] + 1) % 3
    images = split.test.images.copy()
    images[0, 0, 0, 0] ^= 1
    others = {
        "a label": changed(split, "labeled", labels=labels),
        "a content": changed(split, "test", images=images),
        "a part": dataclasses.replace(
            split,
            labeled=split.labeled.subset(np.arange(8)),
            unlabeled=split.labeled.subset(np.arange(8, 9)),
        ),
        "one more": dataclasses.replace(split, test=manifest),
    }
    for name, other in others.items():
        with pytest.raises(ValueError, match=r"are not those of .*rows differ, the fi"):
            check_split(other, path)
            pytest.fail(name)
    fewer = dataclasses.replace(split, test=split.test.subset(np.arange(3)))
    with pytest.raises(ValueError, match="the first is test, "):
        check_split(fewer, path)


def test_the_other_manifest_gives_its_training_part():
    manifest, other = random_faces(60, seed=0), random_faces(20, seed=1)
    parts = np.array(["train"] * 8 + ["unlabeled"] * 4 + ["validation"] * 3)
    parts = np.concatenate([parts, ["test"] * 5])
    names = np.char.add("other_", other.names)
    other = dataclasses.replace(other, names=names, parts=parts)

    def taken(**options):
        split = protocols.split(manifest, "balanced:labels=9", 0, other, **options)
        return {*split.unlabeled.names}

    assert taken() == {*names[:12]}
    assert taken(unlabeled_parts=("train", "test")) == {*names[:8], *names[15:]}
    both = taken(unlabeled_from="both")
    assert {*names[:12]} < both and not {*names[12:]} & both
    tested = dataclasses.replace(other, parts=np.array(["test"] * 20))
    with pytest.raises(ValueError, match="no rows with split train or unlabeled. Rec"):
        protocols.split(manifest, "balanced:labels=9", 0, tested)
