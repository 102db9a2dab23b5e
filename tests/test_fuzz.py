"""Files that were changed at random: each is right, or a clean error.

A thousand cases in the fast suite, always the same ones; in the slow one others each
time, FUZZ_SECONDS (5) for each reader.
"""

import contextlib
import os
import shutil
import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.dlib_files import named, tensor
from support.pytorch_files import save as save_pytorch
from support.toys import dense_classifier

from kerasfer.backbones import read_state_dict
from kerasfer.backbones.dlib_file import read_dlib
from kerasfer.callbacks.checkpoint import last_checkpoint
from kerasfer.data import read_manifest
from kerasfer.data.records import ShardWriter, read_record
from kerasfer.deploy.export import FILES, Description
from kerasfer.deploy.export.formats import write
from kerasfer.deploy.safe_loading import UnsafeModelError, check_model
from kerasfer.preparation.importing.record_io import read_records
from kerasfer.vision.images import cv2, decode_image

DESCRIPTION = Description("expressions", ("anger", "fear", "neutral"), (4, 4, 3))
CASES, SECONDS = 80, float(os.environ.get("FUZZ_SECONDS", "5"))

changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "repeat", "zero"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def changed(data, edits):
    """The bytes with edits: (kind, place as a share of the length, a number)."""
    data = bytearray(data)
    for kind, share, number in edits:
        at = int(share * len(data))
        if kind == "flip" and data:
            data[at] ^= number or 1
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = bytes([number]) * (1 + number % 9)
        elif kind == "repeat":
            data[at:at] = data[max(0, at - number) : at]
        elif kind == "zero":
            data[at : at + 1 + number % 16] = bytes(1 + number % 16)
    return bytes(data)


def images():
    image = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
    for ending in (".jpg", ".png", ".bmp", ".webp", ".tiff"):
        yield cv2.imencode(ending, image)[1].tobytes()
    yield cv2.imencode(".png", image[..., 0])[1].tobytes()
    yield cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes()


TABLE = "path,label,split,subject,AU1,AU12\n" + "".join(
    f"{k}.png,{('anger', 'fear', '')[k % 3]},{('train', 'val', 'test')[k % 3]},s{k},"
    f"0.{k},-1\n"
    for k in range(9)
)


class Readers:
    """For each kind of file: whole ones, and a function that reads a changed one and
    raises nothing but its clean errors."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {}
        for form in FILES:
            with contextlib.suppress(ImportError):
                path = write(form, dense_classifier(), DESCRIPTION, folder)
                path = path / "saved_model.pb" if form == "saved_model" else path
                self.files[form] = [path.read_bytes()]
        save_pytorch(folder / "new.pth", {"w": np.ones((3, 2), np.float32)})
        save_pytorch(
            folder / "old.pth", {"w": np.ones((3, 2), np.float32)}, legacy=True
        )
        both = [(folder / name).read_bytes() for name in ("new.pth", "old.pth")]
        self.files["pytorch"] = both
        self.files["dlib"] = [named("con_4", tensor(np.ones(9)))]
        self.files["image"] = list(images())
        self.files["manifest"] = [TABLE.encode(), TABLE.replace("\n", "\r\n").encode()]
        with ShardWriter(folder / "s.tfrecord") as shard:
            shard.write(self.files["image"][0], "a.jpg")
        self.files["record"] = [(folder / "s.tfrecord").read_bytes()]
        self.files["record_io"] = [self._whole_record_io()]
        self.files["checkpoint"] = self._checkpoint()

    def _whole_record_io(self):
        from test_importers_of_faces import record_io

        encoded = self.files["image"][0]
        return record_io([5.0, 7.0], b"", 0) + record_io([1.0], encoded, 1)

    def _checkpoint(self):
        from support.checkpoint_runs import left_after

        left_after(self.folder / "run", 2)
        self.place = self.folder / "run/checkpoints"
        return [
            (self.place / "epoch-000002" / name).read_bytes()
            for name in ("checkpoint.json", "variables.npz")
        ]

    def read(self, kind, number, data, clean=ValueError):
        """Reads a file; `clean` are the errors that are right, () of a whole one."""
        path = self.folder / f"changed-{kind}"
        if kind in FILES:
            self._export(kind, path, data, clean)
        elif kind == "checkpoint":
            name = ("checkpoint.json", "variables.npz")[number]
            shutil.copytree(self.place, path)
            (path / "epoch-000002" / name).write_bytes(data)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                taken = last_checkpoint(path).name
            assert taken in ("epoch-000001", "epoch-000002")
            if name == "variables.npz" and data != self.files["checkpoint"][1]:
                assert taken == "epoch-000001"
            shutil.rmtree(path)
        elif kind == "image":
            with contextlib.suppress(clean):
                image = decode_image(data, "an image")
                assert image.dtype == np.uint8 and image.shape[2] == 3
        else:
            path.write_bytes(data)
            with contextlib.suppress(clean):
                getattr(self, f"_{kind}")(path)

    def _export(self, form, path, data, clean):
        if form == "saved_model":
            path.mkdir(exist_ok=True)
            path_of_graph = path / "saved_model.pb"
            path_of_graph.write_bytes(data)
        else:
            path = path.with_suffix("." + FILES[form].rpartition(".")[2])
            path.write_bytes(data)
        # Any ValueError but a refusal would be a raw error.
        with contextlib.suppress(UnsafeModelError if clean else ()):
            check_model(form, path)

    def _pytorch(self, path):
        for array in read_state_dict(path).values():
            assert array.nbytes <= path.stat().st_size

    def _dlib(self, path):
        for name, values in read_dlib(path):
            assert isinstance(name, str) and np.isfinite(values).all()

    def _manifest(self, path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            manifest = read_manifest(path)
        assert len(manifest) == len(manifest.labels) == len(set(manifest.names)) > 0
        assert (manifest.labels >= -1).all()
        assert (manifest.labels < max(1, manifest.num_classes)).all()
        units = manifest.action_units
        assert ((units == -1) | (units >= 0) & (units <= 1)).all()

    def _record(self, path):
        shard = path.with_suffix(".tfrecord")
        path.rename(shard)
        from kerasfer.data.records import close_shards

        close_shards()
        encoded = read_record(f"{shard}#0")
        assert encoded == self.files["image"][0]  # a checksum lets nothing else pass

    def _record_io(self, path):
        for number, labels, encoded in read_records(path):
            assert number >= 0 and np.isfinite(labels).all() and encoded is not None


KINDS = [
    *FILES, "pytorch", "dlib", "image", "manifest", "record", "record_io",
    "checkpoint",
]  # fmt: skip


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return Readers(tmp_path_factory.mktemp("fuzz"))


def fuzz(readers, kind, **options):
    if kind not in readers.files:
        pytest.skip(f"{kind} is not installed")
    whole = readers.files[kind]

    @settings(
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    @given(number=st.integers(0, len(whole) - 1), edits=changes)
    def run(number, edits):
        readers.read(kind, number, changed(whole[number], edits))

    run()


@pytest.mark.parametrize("kind", KINDS)
def test_changed_files_are_right_or_a_clean_error(readers, kind):
    for number, data in enumerate(readers.files.get(kind, ())):
        readers.read(kind, number, data, clean=())  # whole ones are read
    fuzz(readers, kind, max_examples=CASES, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_changed_files_for_some_time(readers, kind):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        fuzz(readers, kind, max_examples=100)


@pytest.mark.parametrize(
    ("kind", "number", "edits"),
    [
        # Found by the slow test: the offset of a zip's directory, and a text of
        # 10^19 bytes.
        ("litert", 0, [("flip", 0.999, 52)]),
        ("pytorch", 1, [("insert", 0.0, 150)]),
    ],
)
def test_files_that_once_were_no_clean_error(readers, kind, number, edits):
    if kind not in readers.files:
        pytest.skip(f"{kind} is not installed")
    readers.read(kind, number, changed(readers.files[kind][number], edits))


ANY_TABLE = st.text(
    st.sampled_from('pathlbeAU1,;\n\r"-0.5 \ttrainvalxé\0\ufeff'), max_size=60
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(text=ANY_TABLE)
def test_any_text_is_a_manifest_or_a_clean_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("path,label,AU1\n" + text, newline="")
    with warnings.catch_warnings(), contextlib.suppress(ValueError):
        warnings.simplefilter("ignore")
        manifest = read_manifest(path)
        assert len(manifest.names) == len(set(manifest.names)) == len(manifest.labels)
