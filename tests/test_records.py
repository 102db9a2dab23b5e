"""Images in TFRecord shards: written, read by offset, and visited in which order."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from kerasfer.data import (
    concatenate,
    load_split,
    protocols,
    read_manifest,
    save_split,
    training_dataset,
)
from kerasfer.data.records import ShardWriter, is_record, read_record, shard_of
from kerasfer.data.row_order import shards_of, shuffled
from kerasfer.vision.images import cv2


def write_shard(path, images):
    with ShardWriter(path) as shard:
        return [shard.write(*image) for image in images]


def jpeg(level, side=8):
    image = np.full((side, side, 3), level, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.fixture
def sharded(tmp_path):
    """12 grey images in 3 shards, their level 20 times their number."""
    lines = []
    (tmp_path / "shards").mkdir()
    for shard in range(3):
        name = f"shards/{shard:06d}.tfrecord"
        numbers = range(4 * shard, 4 * shard + 4)
        images = [(jpeg(20 * k), f"face_{k}.jpg") for k in numbers]
        offsets = write_shard(tmp_path / name, images)
        lines += [f"{name}#{offset},{k % 2}" for offset, k in zip(offsets, numbers)]  # noqa: B905
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(["path,label", *lines]) + "\n")
    return path


def test_the_bytes_come_back_as_they_were(tmp_path):
    images = [(jpeg(k, side), f"ä {k}.jpg") for k, side in ((0, 8), (90, 31), (200, 5))]
    path = tmp_path / "a b.tfrecord"
    offsets = write_shard(path, images)
    for offset, (encoded, _) in list(zip(offsets, images, strict=True))[::-1]:
        assert read_record(f"{path}#{offset}") == encoded
    # TensorFlow reads the same, with its checksums.
    for record, (encoded, name) in zip(
        tf.data.TFRecordDataset(str(path)), images, strict=True
    ):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        assert feature["image/encoded"].bytes_list.value == [encoded]
        assert feature["image/filename"].bytes_list.value == [name.encode()]


def field(number, value):
    """A field of a protocol buffer: bytes behind their key and their length, < 128."""
    return bytes([number << 3 | 2, len(value)]) + value


def test_a_record_has_the_same_bytes_in_every_process(tmp_path):
    # A map's entries have an order that a process draws, unless it is asked for one.
    offset = write_shard(tmp_path / "a.tfrecord", [(b"abc", "x.jpg")])[0]
    entries = b""
    for name, value in ((b"image/encoded", b"abc"), (b"image/filename", b"x.jpg")):
        feature = field(1, field(1, value))  # bytes_list, of one value
        entries += field(1, field(1, name) + field(2, feature))
    example = field(1, entries)
    written = (tmp_path / "a.tfrecord").read_bytes()
    assert written[offset + 12 :][: len(example)] == example


def test_an_image_larger_than_what_is_read_at_once(tmp_path):
    large = np.random.default_rng(0).bytes(100_000)
    (offset,) = write_shard(tmp_path / "s.tfrecord", [(large, "a")])
    assert read_record(f"{tmp_path}/s.tfrecord#{offset}") == large


def test_names():
    assert is_record("shards/1.tfrecord#0") and not is_record("a.tfrecord")
    assert not is_record("a#1.png")
    assert shard_of("x#1/2.tfrecord#77") == ("x#1/2.tfrecord", 77)
    for name in ("a.tfrecord#", "a.tfrecord#-1", "a.tfrecord#1x"):
        with pytest.raises(ValueError, match="Expected SHARD.tfrecord#OFFSET"):
            shard_of(name)


def test_what_is_damaged_is_said(tmp_path):
    path = tmp_path / "s.tfrecord"
    first, second = write_shard(path, [(jpeg(0), "a"), (jpeg(9), "b")])
    with pytest.raises(FileNotFoundError, match="gone.tfrecord does not exist"):
        read_record(f"{tmp_path}/gone.tfrecord#0")
    with pytest.raises(ValueError, match="the shard ends before"):
        read_record(f"{path}#{path.stat().st_size}")
    for offset in (first + 1, second - 3, second + 12):
        with pytest.raises(ValueError, match="no record of an image begins there"):
            read_record(f"{path}#{offset}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert read_record(f"{path}#{first}") == jpeg(0)
    with pytest.raises(ValueError, match="damaged or cut off"):
        read_record(f"{path}#{second}")
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(ValueError, match="no record of an image"):
        read_record(f"{path}#0")


@pytest.mark.parametrize("at", [0, 5, 9, 30, -1, -60])
def test_a_bit_that_flipped_is_found_by_the_checksum(tmp_path, at):
    path = tmp_path / "s.tfrecord"
    write_shard(path, [(jpeg(0), "a")])
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 4
    path.write_bytes(bytes(damaged))
    with pytest.raises(ValueError, match="no record of an image|another one"):
        read_record(f"{path}#0")


@pytest.mark.parametrize("offset", ["9" * 19, "9" * 5000, "٣", "1e3"])
def test_offsets_that_no_file_has(tmp_path, offset):
    with pytest.raises(ValueError, match=r"Expected SHARD.tfrecord#OFFSET"):
        read_record(f"{tmp_path}/s.tfrecord#{offset}")
    write_shard(tmp_path / "s.tfrecord", [(jpeg(0), "a")])
    with pytest.raises(ValueError, match="the shard ends before"):
        read_record(f"{tmp_path}/s.tfrecord#" + "9" * 12)


def test_a_manifest_of_shards(sharded):
    manifest = read_manifest(sharded)
    assert manifest.labels.tolist() == [0, 1] * 6
    for k in (11, 0, 5):
        assert abs(int(manifest.image(k).mean()) - 20 * k) <= 2
        assert manifest.image(k, channels=1).shape == (8, 8, 1)
    np.testing.assert_array_equal(shards_of(manifest), np.repeat([0, 1, 2], 4))
    np.testing.assert_array_equal(shards_of(manifest.subset([9, 1, 8])), [0, 1, 0])
    both = concatenate(manifest.subset([0, 1]), manifest.subset([6]))
    assert abs(int(both.image(2).mean()) - 120) <= 2


def test_shards_that_were_replaced_are_seen_by_a_manifest_that_is_read_anew(sharded):
    before = read_manifest(sharded)
    assert before.image(0).mean() < 30
    shard = sharded.parent / "shards/000000.tfrecord"
    write_shard(f"{shard}.new", [(jpeg(200 + k), f"{k}.jpg") for k in range(4)])
    shard.with_name(f"{shard.name}.new").replace(shard)
    assert read_manifest(sharded).image(0).mean() > 190


def test_a_split_of_shards_is_saved_by_the_content_of_its_images(sharded):
    manifest = read_manifest(sharded)
    split = protocols.split(manifest, "balanced:labels=2", seed=0)
    save_split(split, sharded.parent / "split.csv")
    again = load_split(sharded.parent / "split.csv", manifest)
    assert [*again.unlabeled.names] == [*split.unlabeled.names]
    lines = (sharded.parent / "split.csv").read_text().splitlines()
    name, sha, _ = next(line.split(",")[1:] for line in lines if "000000" in line)
    encoded = read_record(sharded.parent / name)
    assert sha == hashlib.sha256(encoded).hexdigest()[:16]


def test_a_training_pass_sees_every_image_of_the_shards_once(sharded):
    manifest = read_manifest(sharded)
    data = training_dataset(manifest, manifest, ("index",), batch_size=4, seed=3)
    passes = [[], []]
    for step, (batch, _) in enumerate(data.take(6)):
        passes[step // 3] += batch["index"].numpy().tolist()
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(12))
    assert passes[0] != passes[1]
    resumed = training_dataset(
        manifest, manifest, ("index",), batch_size=4, seed=3, start_step=4
    )
    (batch, _), *_ = resumed.take(1)
    assert batch["index"].numpy().tolist() == passes[1][4:8]


def test_the_order_reads_few_shards_side_by_side():
    shards = np.repeat(np.arange(40), 700)
    order = shuffled(np.random.default_rng(0), len(shards), shards)
    assert sorted(order) == list(range(len(shards)))
    # Of 40 shards 16 are open at a time; 256 + 256 + 188 images of each make 3 windows.
    visited = shards[order].reshape(-1, 700)
    turns = [set(visited[turn * 16 : turn * 16 + 16].ravel()) for turn in range(3)]
    assert [len(turn) for turn in turns] == [16, 16, 8]
    assert set().union(*turns) == set(range(40))
    within = (order % 700)[: 16 * 700]
    assert within[: 16 * 256].max() < 256 <= within[16 * 256 :].min()
    assert within[: 16 * 512].max() < 512 <= within[16 * 512 :].min()
    # Within a window it is a shuffle: neighbours are of the same shard by chance.
    window = shards[order][: 16 * 256]
    assert np.mean(window[1:] == window[:-1]) < 0.1  # 1/16 expected, sd 0.004
    other = shuffled(np.random.default_rng(1), len(shards), shards)
    assert (order != other).mean() > 0.99


def test_shards_that_alternate_in_the_manifest_are_visited_whole():
    shards = np.tile(np.arange(3), 5)
    order = shuffled(np.random.default_rng(0), 15, shards)
    assert sorted(order) == list(range(15))
