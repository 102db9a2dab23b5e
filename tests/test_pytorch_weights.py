import io
import os
import pickle
import zipfile

import keras
import numpy as np
import pytest
from support import pytorch_files
from support.pytorch_files import save

from kerasfer import build_classifier
from kerasfer.backbones import load_pytorch, read_state_dict, resnet18, resnet34
from kerasfer.backbones.inert_pickle import Called, Named, read_inert

RNG = np.random.default_rng(0)
ARRAYS = {
    "conv.weight": RNG.normal(size=(4, 3, 2, 5)).astype(np.float32),
    "bn.running_mean": RNG.normal(size=4),
    "bn.num_batches_tracked": np.array(7),
    # Not contiguous: another order of strides.
    "fc.weight": np.asfortranarray(RNG.normal(size=(3, 4)).astype(np.float32)),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state, "best": [0.5, None, True]},
        lambda state: {"model": state, "args": pickle.PickleError("an object")},
    ],
)
def test_both_formats_and_what_people_wrap_around_them(tmp_path, legacy, wrap):
    arrays = read_state_dict(save(tmp_path / "a.pth", ARRAYS, legacy, wrap))
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_prefix_of_data_parallel_is_dropped(tmp_path):
    path = save(tmp_path / "a.pth", {f"module.{n}": a for n, a in ARRAYS.items()})
    assert list(read_state_dict(path)) == list(ARRAYS)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_that_is_pickled_is_run(tmp_path, legacy):
    trace = tmp_path / "was_here"
    path = tmp_path / "a.pth"
    save(path, ARRAYS, legacy, lambda s: {"state_dict": s, "evil": Hostile(trace)})
    assert list(read_state_dict(path)) == list(ARRAYS)
    assert not trace.exists()
    system = Named(f"{os.system.__module__}.system")
    read = read_inert(io.BytesIO(pickle.dumps(Hostile(trace))))
    assert read == Called(system, (f"touch {trace}",)) and not trace.exists()


@pytest.mark.parametrize("protocol", range(2, 5))
def test_inert_reading_of_plain_data(protocol):
    shared = [1, -2, 2**40, 2**80, 0.5, "text", "ü" * 300, None, True, False]
    value = {"a": shared, "b": (1,), "c": (1, 2, 3, 4), "d": shared, "e": {}, "f": ()}
    assert read_inert(io.BytesIO(pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (b"not a pickle", "Broken pickle|opcode|pickle"),
        (pickle.dumps([1, 2])[:-1], "no end|exhausted|STOP"),
        (b"\x80\x02t.", "Broken pickle"),
        (b"\x80\x02Nt.", "no mark"),
        (pickle.dumps({1, 2}, 4), "does not need the pickle opcode EMPTY_SET"),
    ],
)
def test_broken_pickles(broken, error):
    with pytest.raises(ValueError, match=error):
        read_inert(io.BytesIO(broken))


def broken_files(folder):
    (folder / "text").write_text("not a checkpoint")
    (folder / "empty").write_bytes(b"")
    with zipfile.ZipFile(folder / "other_zip", "w") as archive:
        archive.writestr("a.txt", "a")
    save(folder / "module", ARRAYS, wrap=lambda state: pickle.PickleError("a module"))
    save(folder / "no_tensor", ARRAYS, wrap=lambda state: {"epoch": 3})
    whole = save(folder / "cut_legacy", ARRAYS, legacy=True).read_bytes()
    (folder / "cut_legacy").write_bytes(whole[:-100])
    whole = save(folder / "cut_zip", ARRAYS).read_bytes()
    (folder / "cut_zip").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(save(folder / "whole", ARRAYS)) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(folder / "short_data", "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data[:-4] if name.endswith("data/0") else data)
    (folder / "whole").unlink()


def test_files_that_are_none(tmp_path):
    broken_files(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ValueError, match=f"{path.name} is not a PyTorch checkp"):
            read_state_dict(path)
    with pytest.raises(FileNotFoundError, match="Expected a PyTorch file"):
        read_state_dict(tmp_path / "none.pth")


# --- into a model ---------------------------------------------------------------------


def small_model():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, (2, 5), use_bias=False, name="conv")(images)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(3, name="head")(x), name="small")


FITTING = {
    "conv.weight": ARRAYS["conv.weight"],
    **{f"bn.{n}": RNG.random(4) for n in ("weight", "bias", "running_mean")},
    "bn.running_var": RNG.random(4),
    "bn.num_batches_tracked": np.array(7),
    "head.weight": RNG.normal(size=(3, 4)),
    "head.bias": RNG.normal(size=3),
    "fc.weight": np.zeros((5, 5)),
}


def test_weights_are_filled_by_name(tmp_path):
    model = small_model()
    ignored = load_pytorch(model, save(tmp_path / "a.pth", FITTING))
    assert ignored == ["bn.num_batches_tracked", "fc.weight"]
    kernel = model.get_layer("conv").kernel
    for o, i, h, w in [(0, 1, 1, 4), (3, 2, 0, 2)]:
        assert kernel[h, w, i, o] == FITTING["conv.weight"][o, i, h, w]
    gamma, beta, mean, variance = model.get_layer("bn").get_weights()
    np.testing.assert_allclose(gamma, FITTING["bn.weight"], rtol=1e-6)
    np.testing.assert_allclose(beta, FITTING["bn.bias"], rtol=1e-6)
    np.testing.assert_allclose(mean, FITTING["bn.running_mean"], rtol=1e-6)
    np.testing.assert_allclose(variance, FITTING["bn.running_var"], rtol=1e-6)
    head, bias = model.get_layer("head").get_weights()
    np.testing.assert_allclose(head, FITTING["head.weight"].T, rtol=1e-6)
    np.testing.assert_allclose(bias, FITTING["head.bias"], rtol=1e-6)


def test_what_does_not_fit_is_named_and_nothing_is_loaded(tmp_path):
    wrong = {**FITTING, "extra.weight": np.zeros(3), "head.weight": np.zeros((4, 3))}
    del wrong["bn.bias"], wrong["head.bias"]
    model = small_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match="does not fit small") as error:
        load_pytorch(model, save(tmp_path / "a.pth", wrong))
    for part in (
        "does not fit small; nothing was loaded",
        "missing in the file: bn.bias, head.bias",
        "not in the model: extra.weight",
        "head.weight (3, 4) for (4, 3)",
    ):
        assert part in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    other = keras.Sequential([keras.Input((4, 3)), keras.layers.GRU(2, name="gru")])
    with pytest.raises(ValueError, match="Received: gru, a GRU"):
        load_pytorch(other, save(tmp_path / "b.pth", FITTING))


# --- ResNets --------------------------------------------------------------------------


@pytest.mark.parametrize(
    # torchvision: 11,689,512 and 21,797,672 parameters, of which the last layer has
    # 513,000; Keras counts the running statistics of 4,800 and 8,512 channels too.
    ("build", "parameters", "channels"),
    [(resnet18, 11_176_512, 4_800), (resnet34, 21_284_672, 8_512)],
)
def test_resnets_have_the_parameters_of_torchvision(build, parameters, channels):
    backbone = build((64, 64, 3))
    trainable = sum(np.prod(w.shape) for w in backbone.trainable_variables)
    assert trainable == parameters
    assert backbone.count_params() == parameters + 2 * channels
    assert backbone.output_shape == (None, 2, 2, 512)


def test_a_resnet_classifier_is_saved_and_cloned(tmp_path):
    classifier = build_classifier(
        "resnet18", (32, 32, 3), 7, "imagenet", dropout=0.5, unit_embedding=True
    )
    classifier.save(tmp_path / "classifier.keras")
    again = keras.models.load_model(tmp_path / "classifier.keras")
    faces = RNG.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    copy = keras.models.clone_model(classifier)
    copy.set_weights(classifier.get_weights())
    expected = classifier(faces)["probs"]
    np.testing.assert_allclose(again(faces)["probs"], expected, rtol=1e-5)
    np.testing.assert_allclose(copy(faces)["probs"], expected, rtol=1e-5)


@pytest.mark.parametrize(("name", "side"), [("resnet18", 224), ("resnet34", 65)])
@pytest.mark.parametrize("zip_format", [True, False])
def test_resnets_compute_what_pytorch_computes(
    torchvision, tmp_path, name, side, zip_format
):
    import torch

    torch.manual_seed(0)
    reference = getattr(torchvision.models, name)(weights=None)
    for layer in reference.modules():  # so that no statistic is 0 or 1
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(layer.weight, 0.2, 0.8)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    torch.save(
        {"state_dict": reference.state_dict()},
        tmp_path / "reference.pth",
        _use_new_zipfile_serialization=zip_format,
    )
    build = resnet18 if name == "resnet18" else resnet34
    backbone = build((side, side, 3))
    load_pytorch(backbone, tmp_path / "reference.pth")
    images = RNG.normal(size=(4, side, side, 3)).astype(np.float32)
    reference.fc = torch.nn.Identity()  # the pooled features
    for training in (False, True):
        reference.train(training)
        with torch.no_grad():
            tensor = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
            expected = reference(tensor).numpy()
        pooled = np.asarray(backbone(images, training=training)).mean((1, 2))
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(pooled, expected, atol=1e-4)
    after = reference.state_dict()
    for layer in backbone.layers:  # momentum and unbiased variances are PyTorch's
        if isinstance(layer, keras.layers.BatchNormalization):
            for name, ours in zip(
                ("mean", "var"), layer.get_weights()[2:], strict=True
            ):
                theirs = after[f"{layer.name}.running_{name}"].numpy()
                np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


# --- files that ask for more than they hold ---


def pickled(*operations):
    return b"".join((b"\x80\x02", *operations, b"."))


def archive_of(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"archive/{name}", data)
    return path


def test_an_archive_that_unpacks_to_more_than_it_holds(tmp_path):
    members = {"data.pkl": pickled(b"}"), "data/0": b"\0" * 10**7}
    path = archive_of(tmp_path / "x.pth", members, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="its archive is compressed"):
        read_state_dict(path)


def test_members_that_overlap(tmp_path):
    path = archive_of(
        tmp_path / "x.pth", {"data.pkl": pickled(b"}"), "data/0": b"x" * 999}
    )
    with zipfile.ZipFile(path, "a") as archive:
        (first,) = [m for m in archive.infolist() if m.filename.endswith("/0")]
        for k in range(1, 50):  # further names for the same bytes
            again = zipfile.ZipInfo("archive/data/1")
            for name in ("header_offset", "CRC", "file_size", "compress_size"):
                setattr(again, name, getattr(first, name))
            again.filename = f"archive/data/{k}"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True
    with pytest.raises(ValueError, match="unpack to more than it holds"):
        read_state_dict(path)


def test_a_larger_file_than_is_asked_for(tmp_path):
    save(tmp_path / "x.pth", {"w": np.zeros(1000, np.float32)})
    with pytest.raises(ValueError, match="larger than 1000 bytes"):
        read_state_dict(tmp_path / "x.pth", most_bytes=1000)


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((2**20, 2**20), "a tensor claims shape"),
        ((-1, 4), "a tensor claims shape"),
        (("a",), "not a PyTorch checkpoint"),
        (None, "not a PyTorch checkpoint"),
    ],
)
def test_a_tensor_that_claims_more_than_is_stored(tmp_path, shape, error, monkeypatch):
    array = np.zeros((2, 2), np.float32)
    monkeypatch.setattr(pytorch_files, "_shape_of", lambda array: shape, raising=False)
    save(tmp_path / "x.pth", {"w": array})
    with pytest.raises(ValueError, match=error):
        read_state_dict(tmp_path / "x.pth")


def test_many_names_of_one_storage_are_counted(tmp_path):
    # What is shared once is shared often: each name would become an array of its own.
    save(tmp_path / "x.pth", {f"w{k}": np.zeros(1000, np.float32) for k in range(9)})
    with pytest.raises(ValueError, match="take more than 20000|larger than 20000"):
        read_state_dict(tmp_path / "x.pth", most_bytes=20_000)


@pytest.mark.parametrize(
    "operations",
    [
        # Forty levels of lists, each the one below it twice.
        [b"]", *[b"q\0]h\0ah\0a"] * 40],
        # A dict asked for again and again by OrderedDict(itself).
        [b"}q\0", *[b"ccollections\nOrderedDict\nh\0\x85R0"] * 1000, b"h\0"],
        [b"(", b"t" * 5],
        [b"}", b"]", b"N", b"s"],  # a list for a key
        [b"I" + b"9" * 400 + b"\n"],
        [b"ccollections\nOrderedDict\nK\x05\x85R"],
        # A tuple of itself twice, fifty levels deep: as a name, as a key.
        [b"U\x01x", *[b"q\0h\0\x86"] * 50, b"U\x01y\x93"],
        [b"}", b"U\x01x", *[b"q\0h\0\x86"] * 50, b"K\x01s"],
        # Pairs that are asked for again and again.
        [b"]q\0(", b"U\x01aK\x01\x86" * 1000, b"e"]
        + [b"ccollections\nOrderedDict\nh\0\x85R0"] * 1000,
    ],
    ids=[
        *["a tree of itself", "again", "no mark", "no key", "a number", "no pairs"],
        *["a name of tuples", "a key of tuples", "pairs again"],
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_pickles_that_would_take_for_ever_or_raise_anything(
    tmp_path, operations, legacy
):
    path = tmp_path / "x.pth"
    content = pickled(*operations)
    if legacy:
        magic = pickled(b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little"))
        head = magic + pickled(b"M\xe9\x03") + pickled(b"}")
        path.write_bytes(head + content + pickled(b"]"))
    else:
        archive_of(path, {"data.pkl": content})
    with pytest.raises(
        ValueError, match="is not a PyTorch checkpoint that can be read"
    ):
        read_state_dict(path)
