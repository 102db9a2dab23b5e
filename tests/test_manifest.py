import numpy as np
import pytest

from kerasfer.data import for_action_units, from_arrays, protocols, read_manifest


def write(tmp_path, text):
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    return path


def test_expression_names_keep_the_order_of_the_field(tmp_path):
    manifest = read_manifest(
        write(tmp_path, "path,label\na.png,sadness\nb.png,neutral\nc.png,\nd.png,-1\n")
    )
    assert manifest.class_names == ("neutral", "sadness")
    np.testing.assert_array_equal(manifest.labels, [1, 0, -1, -1])
    assert manifest.path(0) == tmp_path / "a.png"
    assert manifest.subjects is None and manifest.parts is None


def test_other_names_are_sorted_and_numbers_counted(tmp_path):
    assert read_manifest(
        write(tmp_path, "path,label\na,zebra\nb,ant\n")
    ).class_names == ("ant", "zebra")
    manifest = read_manifest(write(tmp_path, "path,label\na,3\nb,0\n"))
    assert manifest.class_names == ("0", "1", "2", "3")
    np.testing.assert_array_equal(manifest.class_counts(), [1, 0, 0, 1])


def test_class_names_given_fix_the_indices(tmp_path):
    path = write(tmp_path, "path,label\na,fear\nb,anger\n")
    names = ("anger", "disgust", "fear")
    np.testing.assert_array_equal(read_manifest(path, names).labels, [2, 0])
    path = write(tmp_path, "path,label\na,2\nb,0\n")
    np.testing.assert_array_equal(read_manifest(path, names).labels, [2, 0])


def test_action_units_subjects_and_parts(tmp_path):
    manifest = read_manifest(
        write(tmp_path, "path,AU1,AU12,subject,split\na,1,,s,Train\nb,-1,0.5,,val\n")
    )
    assert manifest.au_names == ("AU1", "AU12")
    np.testing.assert_array_equal(manifest.targets, [[1, -1], [-1, 0.5]])
    # Nobody is known of image b: its own name stands in.
    np.testing.assert_array_equal(manifest.subjects, ["s", "b"])
    np.testing.assert_array_equal(manifest.parts, ["train", "validation"])


def test_empty_columns_are_as_if_they_were_missing(tmp_path):
    manifest = read_manifest(
        write(tmp_path, "path,label,split,subject\na,0,,\nb,1,,\n")
    )
    assert manifest.parts is None and manifest.subjects is None


def test_what_csv_files_are_like(tmp_path):
    text = 'label,"path",note\r\n 1 ,"a, ä.png","two\nlines"\r\n0,b\'s.png,\r\n'
    path = tmp_path / "manifest.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Excel writes it
    manifest = read_manifest(path)
    assert list(manifest.names) == ["a, ä.png", "b's.png"]
    assert manifest.labels.tolist() == [1, 0]
    for content, error in (
        (b"path,label\na,0\nb\n", "is not a CSV in UTF-8.*Expected 2 columns, got 1"),
        (b"path,label\n\xe4,0\n", "is not a CSV in UTF-8"),
        (b"", "no column `path`"),
        (b"path,label,label\na,0,1\n", "column label twice"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=error):
            read_manifest(path)


def test_a_long_manifest_finds_the_one_path_that_is_twice(tmp_path):
    lines = [f"face_{k:06d}.png,{k % 3}" for k in range(100_000)]
    manifest = read_manifest(write(tmp_path, "\n".join(["path,label", *lines])))
    assert manifest.class_counts().tolist() == [33334, 33333, 33333]
    assert manifest.names[99_999] == "face_099999.png"
    assert list(manifest.subset([7, 70_000]).names) == [
        "face_000007.png",
        "face_070000.png",
    ]
    lines[80_000] = "face_000003.png,0"
    with pytest.raises(ValueError, match="line 80002: path 'face_000003.png' twice"):
        read_manifest(write(tmp_path, "\n".join(["path,label", *lines])))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "label\n1\n",
            "no column `path`. Expected columns: path, label. Received: label",
        ),
        ("path,label\n", "no rows"),
        ("path,label\na,0\na,1\n", "line 3: path 'a' twice"),
        ("path,label\na,0\n,1\n", "line 3: empty path"),
        ("path,AU1\na,2\n", "line 2: expected AU1 in .0, 1."),
        (
            "path,label,split\na,0,tset\n",
            "line 2: expected split train, unlabeled.*'tset'",
        ),
        ("path,label\na,0\nb,x\nc,1\n", None),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, error):
    path = write(tmp_path, text)
    if error is None:  # names and numbers mixed are names
        assert read_manifest(path).class_names == ("0", "1", "x")
        return
    with pytest.raises(ValueError, match=error):
        read_manifest(path)


def test_a_label_outside_the_classes(tmp_path):
    path = write(tmp_path, "path,label\na,anger\nb,joy\n")
    with pytest.raises(ValueError, match="line 3: label 'joy' is outside.*anger, fear"):
        read_manifest(path, ("anger", "fear"))
    path = write(tmp_path, "path,label\na,0\nb,7\n")
    with pytest.raises(ValueError, match="'7' is outside.*an index below 2"):
        read_manifest(path, ("anger", "fear"))
    path = write(tmp_path, "path,subject\na,0\n")
    with pytest.raises(ValueError, match="no column `label`"):
        read_manifest(path, ("anger", "fear"))


def test_a_missing_manifest_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="kerasfer prepare from_folder FACES OUT"
    ):
        read_manifest(tmp_path / "none.csv")


def test_arrays_are_checked():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="Expected uint8 images"):
        from_arrays(images.astype(float), [0, 1])
    with pytest.raises(ValueError, match="from -1 to 1. Received: 0 to 2"):
        from_arrays(images, [0, 2], class_names=("a", "b"))
    grey = from_arrays(images[..., :1], [0, 1])
    assert grey.image(0).shape == (4, 4, 1)
    assert grey.image(0, channels=3).shape == (4, 4, 3)


def test_action_units_are_learned_where_both_are_known(tmp_path):
    text = "path,label,AU1,AU12\na,fear,0.5,\nb,joy,,1\nc,,0,0\n"
    faces = read_manifest(write(tmp_path, text))
    assert faces.targets.tolist() == [0, 1, -1]
    units = for_action_units(faces, ("sadness", "fear"))
    np.testing.assert_array_equal(units.targets, [[0.5, -1], [-1, 1], [0, 0]])
    assert units.labels.tolist() == [1, -1, -1]  # fear is the second, joy is neither
    with pytest.raises(ValueError, match="no action units: expected columns AU1"):
        for_action_units(read_manifest(write(tmp_path, "path,label\na,0\n")))


def test_printing_is_one_line_with_counts_on_request():
    images = np.zeros((1200, 2, 2, 3), np.uint8)
    labels = np.arange(1200) % 4 - 1
    faces = from_arrays(images, labels, ["a", "b", "c"], subjects=labels)
    expected = "Manifest(1,200 faces, 900 labelled in 3 classes, 4 subjects, in memory)"
    assert str(faces) == repr(faces) == expected
    assert faces.counts() == {"a": 300, "b": 300, "c": 300}


def test_printing_a_split():
    images = np.zeros((8, 2, 2, 3), np.uint8)
    labeled = from_arrays(images, np.arange(8) % 2, ["a", "b"])
    unknown = from_arrays(images[:3], [-1, -1, 1], ["a", "b"])
    split = protocols.Split(labeled, unknown, labeled, labeled)
    assert str(split) == (
        "Split(8 labelled, 3 unlabelled, 8 validation, 8 test faces, 2 classes)"
    )
    counts = split.counts()
    assert counts.loc["unknown"].tolist() == [0, 2, 0, 0]
    assert counts.loc["b"].tolist() == [4, 1, 4, 4]
