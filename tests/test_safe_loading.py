"""Hostile, damaged and foreign model files are refused, with a reason."""

import contextlib
import io
import json
import os
import resource
import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import dense_classifier
from tensorflow.core.protobuf import saved_model_pb2

import kerasfer
from kerasfer.deploy.export import FILES, Description
from kerasfer.deploy.export.formats import write
from kerasfer.deploy.safe_loading import (
    UnsafeModelError,
    check_model,
    load_classifier,
)

DESCRIPTION = Description("expressions", ("anger", "fear", "neutral"), (4, 4, 3))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    for form in FILES:
        write(form, dense_classifier(), DESCRIPTION, folder)
    return folder


@pytest.fixture
def copy(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "copy")
    return tmp_path / "copy"


def refused(path, message):
    with pytest.raises(UnsafeModelError, match=message) as error:
        kerasfer.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("form", FILES)
def test_what_is_whole_is_let_through(exported, form):
    text = check_model(form, exported / FILES[form])
    assert Description.from_json(text) == DESCRIPTION


@pytest.mark.parametrize("form", FILES)
def test_size_limits(exported, form):
    with pytest.raises(UnsafeModelError, match="1000 at most|would unpack"):
        check_model(form, exported / FILES[form], most_bytes=1000)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "classifier.keras"])
def test_files_that_are_cut_off(copy, name, share):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: int(share * len(whole))])
    refused(copy / name, "is refused: it is not|no description|does not say|damaged")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_saved_model_that_is_cut_off(copy, share):
    file = copy / "saved_model/saved_model.pb"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    refused(copy / "saved_model", "damaged or cut off|holds no graph|TensorFlow 1")


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "classifier.keras"])
def test_a_byte_that_flips_is_refused_or_changes_nothing_dangerous(copy, name):
    whole = (copy / name).read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 30):
        flipped = bytearray(whole)
        flipped[at] ^= 0xFF
        (copy / name).write_bytes(bytes(flipped))
        form = next(form for form, file in FILES.items() if file == name)
        with contextlib.suppress(UnsafeModelError):  # any other error is a failure
            check_model(form, copy / name)


# --- Keras files ---


def rewritten(path, change=None, more=(), drop=()):
    """The zip with another config, further members, or fewer."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        config = json.loads(members["config.json"])
        change(config)
        members["config.json"] = json.dumps(config).encode()
    members = {name: data for name, data in members.items() if name not in drop}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*members.items(), *more]:
            archive.writestr(name, data)
    return path


def set_layer(**entries):
    def change(config):
        config["config"]["layers"][1].update(entries)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_layer(class_name="Lambda"), "asks for Lambda of the module keras.layers"),
        (set_layer(class_name="TFSMLayer"), "asks for TFSMLayer"),
        (set_layer(class_name="TorchModuleWrapper"), "asks for TorchModuleWrapper"),
        (set_layer(class_name="StringLookup"), "asks for StringLookup"),
        (set_layer(class_name="run", module="subprocess"), "of the module subprocess"),
        (set_layer(class_name="function", module="keras.utils"), "asks for function"),
        (set_layer(class_name="get_file", module="keras.utils"), "asks for get_file"),
        (set_layer(class_name="load_model", module="keras.models"), "for load_model"),
        (set_layer(class_name="Dense", module=None), "Dense of the module None"),
        (set_layer(class_name="__class__", module=None), "asks for __class__"),
        (set_layer(class_name=["Dense"]), "asks for"),
        (set_layer(module=["keras.layers"]), "of the module"),
        (
            set_layer(class_name="A", module="b", registered_name="c>Lambda"),
            "asks for A of the module b",
        ),
        (
            set_layer(class_name="f", module="m", registered_name="tests>called"),
            "asks for f of the module m",
        ),
        (
            set_layer(class_name="Dense", registered_name="tests>called"),
            "asks for Dense of the module keras.layers",
        ),
        (
            set_layer(class_name="Dense", registered_name="kerasfer>UnitLength"),
            "asks for Dense",
        ),
        (
            set_layer(class_name="Own", module="theirs", registered_name="theirs>Own"),
            "import its class and register it",
        ),
    ],
)
def test_layers_that_could_do_more_than_compute(copy, change, message):
    refused(rewritten(copy / "classifier.keras", change), message)


@keras.saving.register_keras_serializable("tests")
def called(*arguments, **more):
    raise AssertionError("a function that a file names was called")


def test_a_real_lambda(copy):
    images = keras.Input((4, 4, 3))
    x = keras.layers.Lambda(lambda image: image * 2)(images)
    keras.Model(images, keras.layers.Flatten()(x)).save(copy / "own.keras")
    refused(copy / "own.keras", "asks for Lambda of the module keras.layers")


@pytest.mark.parametrize("registered", ["function", "kerasfer>UnitLength", None])
def test_an_activation_that_is_a_function_of_a_module(copy, registered):
    def change(config):
        dense = next(
            layer
            for layer in config["config"]["layers"]
            if layer["class_name"] == "Dense"
        )
        dense["config"]["activation"] = {
            "module": "os",
            "class_name": "function",
            "config": "system",
            "registered_name": registered,
        }

    refused(rewritten(copy / "classifier.keras", change), "asks for function")


def dense(config):
    layers = config["config"]["layers"]
    return next(x["config"] for x in layers if x["class_name"] == "Dense")


@pytest.mark.parametrize(
    "change",
    [
        lambda config: dense(config).update(units=500_000_000),
        lambda config: dense(config).update(units=6),  # one more than is stored
    ],
    ids=["huge", "one more"],
)
def test_what_is_asked_for_is_held_against_what_is_stored(copy, change):
    shutil.copy(copy / "classifier.keras", copy / "other.keras")
    path = rewritten(copy / "classifier.keras", change)
    check_model("keras", copy / "other.keras")  # imports what takes memory too
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, "it asks for [0-9]+ parameters and holds [0-9]+|builds no model")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB; the 24 GB that it asks for are never allocated


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.clear(), "describes no model"),
        (lambda config: dense(config).pop("units"), "Keras builds no model"),
        (lambda config: dense(config).update(units="many"), "Keras builds no model"),
        (lambda config: config["config"].update(layers=[]), "Keras builds no model"),
    ],
)
def test_configs_that_are_no_model(copy, change, message):
    refused(rewritten(copy / "classifier.keras", change), message)


def test_a_compiled_model_is_loaded_without_what_it_was_compiled_with(copy):
    classifier = dense_classifier()
    classifier.compile("adam", loss={"probs": "mse"})
    path = copy / "compiled.keras"
    classifier.save(path)
    assert check_model("keras", path) is None  # no export, yet nothing to refuse
    loaded = load_classifier(path)
    assert not loaded.compiled if hasattr(loaded, "compiled") else not loaded.optimizer


def test_a_layer_whose_weights_are_not_stored(copy):
    def change(config):
        config["config"]["layers"][-2]["name"] = "another"

    path = rewritten(copy / "classifier.keras", change)
    for load in (kerasfer.load, load_classifier):
        with pytest.raises(UnsafeModelError):
            load(path)


def test_text_without_end(copy):
    more = [("metadata.json", b" " * (2**24 + 1))]
    path = rewritten(copy / "classifier.keras", drop=["metadata.json"], more=more)
    refused(path, "metadata.json is larger than 16777216 bytes")


@keras.saving.register_keras_serializable("test_safe_loading")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x


def test_a_registered_layer_of_the_users_own_is_built(tmp_path):
    base = dense_classifier()
    doubled = Doubled()(base.input)
    outputs = {"embedding": keras.layers.Flatten()(doubled)}
    probs = keras.layers.Dense(3, activation="softmax")(outputs["embedding"])
    classifier = keras.Model(base.input, {**outputs, "probs": probs})
    path = write("keras", classifier, DESCRIPTION, tmp_path)
    assert kerasfer.load(path)([np.zeros((4, 4, 3), np.uint8)]).probs.shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../evil.txt", "unpacked somewhere else"),
        ("/etc/evil.txt", "unpacked somewhere else"),
        ("..\\evil.txt", "unpacked somewhere else"),
        ("evil.py", "should not be there"),
        ("assets/x/vocabulary.txt", "should not be there"),
    ],
)
@pytest.mark.parametrize("file", ["classifier.keras", "model.tflite"])
def test_members_that_should_not_be_there(copy, file, name, message):
    with zipfile.ZipFile(copy / file, "a") as archive:
        archive.writestr(name, "x")
    refused(copy / file, message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(copy):
    path = rewritten(copy / "classifier.keras", more=[("config.json", b"{}")])
    refused(path, "in it twice")


def test_members_that_are_missing_or_no_json(copy, tmp_path):
    other = shutil.copy(copy / "classifier.keras", tmp_path / "other.keras")
    refused(
        rewritten(copy / "classifier.keras", drop=["config.json"]), "config.json is"
    )
    broken = rewritten(
        tmp_path / other, drop=["config.json"], more=[("config.json", b"{")]
    )
    refused(broken, "not JSON")


def test_a_bomb(copy):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b"0" * 10**7)
    (copy / "classifier.keras").write_bytes(buffer.getvalue())
    with pytest.raises(UnsafeModelError, match="would unpack to 10000000 bytes"):
        check_model("keras", copy / "classifier.keras", most_bytes=10**6)


def with_weights(path, fill):
    """The zip with other weights, which `fill` writes into an HDF5 file."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file, h5py)
    name = "model.weights.h5"
    return rewritten(path, drop=[name], more=[(name, buffer.getvalue())])


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (
            lambda file, h5py: file.__setitem__(
                "w", h5py.ExternalLink("/etc/passwd", "/")
            ),
            "link to somewhere else",
        ),
        (
            lambda file, h5py: file.__setitem__("w", h5py.SoftLink("/other")),
            "link to somewhere else",
        ),
        (
            lambda file, h5py: file.create_dataset(
                "w", (4,), "u1", external=[("/etc/passwd", 0, 4)]
            ),
            "lie in another file",
        ),
        (
            # 16 TB declared, nothing stored: it would be allocated when read.
            lambda file, h5py: file.create_dataset(
                "w", (2**42,), "f4", chunks=(2**16,)
            ),
            "larger than",
        ),
    ],
)
def test_weights_that_reach_out(copy, fill, message):
    refused(with_weights(copy / "classifier.keras", fill), message)


def test_a_tree_of_links_ends_at_once(copy):
    def fill(file, h5py):  # each level holds the one below it twice
        group = file.create_group("level0")
        group.create_dataset("w", (2,), "f4")
        for level in range(1, 40):
            above = file.create_group(f"level{level}")
            above["a"], above["b"] = group, group
            group = above

    refused(with_weights(copy / "classifier.keras", fill), "its weights hold .* twice")


def test_something_else_than_arrays(copy):
    def fill(file, h5py):
        file["t"] = np.dtype("f4")

    refused(with_weights(copy / "classifier.keras", fill), "else than arrays")


def test_weights_that_are_no_hdf5(copy):
    name = "model.weights.h5"
    path = rewritten(copy / "classifier.keras", drop=[name], more=[(name, b"x" * 99)])
    refused(path, "not a whole HDF5 file")


# --- SavedModels ---


def _write(x):
    tf.io.write_file("/tmp/never", "x")
    return x


def _read(x):
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)


def _python(x):
    return tf.py_function(lambda v: v, [x], tf.float32)


def _table(x):
    values = tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.float32)
    return x + tf.raw_ops.LookupTableFindV2(
        table_handle=values, keys=tf.constant([1], tf.int64), default_value=0.0
    )


def _dataset(x):
    graph = tf.Graph()
    with graph.as_default():  # what a serialised graph does is in no list of nodes
        tf.io.write_file("/tmp/never", "x")
        ranged = tf.raw_ops.RangeDataset(
            start=tf.constant(0, tf.int64), stop=tf.constant(1, tf.int64),
            step=tf.constant(1, tf.int64), output_types=[tf.int64], output_shapes=[()],
        )  # fmt: skip
    serialised = tf.constant(graph.as_graph_def().SerializeToString())
    variant = tf.raw_ops.DatasetFromGraph(graph_def=serialised)
    del ranged
    return x + tf.cast(
        tf.size(tf.raw_ops.DatasetToGraph(input_dataset=variant)), x.dtype
    )


def _mapped_file(x):
    return x + tf.raw_ops.ImmutableConst(
        dtype=tf.float32, shape=(), memory_region_name="/etc/passwd"
    )


def _listing(x):
    return x + tf.cast(tf.size(tf.raw_ops.MatchingFiles(pattern="/etc/*")), x.dtype)


def _proto(x):
    _, values = tf.raw_ops.DecodeProtoV2(
        bytes=[b""], message_type="a", field_names=["b"], output_types=[tf.float32],
        descriptor_source="/etc/passwd",
    )  # fmt: skip
    return x + values[0][0]


def _abort(x):
    with tf.control_dependencies([tf.raw_ops.Abort()]):
        return tf.identity(x)


def _saves(x):
    save = tf.raw_ops.SaveV2(
        prefix="/tmp/never", tensor_names=["x"], shape_and_slices=[""], tensors=[x]
    )
    with tf.control_dependencies([save]):
        return tf.identity(x)


def _restores(x):
    return x + tf.raw_ops.RestoreV2(
        prefix="/tmp/never", tensor_names=["x"], shape_and_slices=[""],
        dtypes=[tf.float32],
    )[0]  # fmt: skip


def _renames(x):
    merge = tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=["/tmp/a"], destination_prefix="/tmp/b"
    )
    with tf.control_dependencies([merge]):
        return tf.identity(x)


_NONE_OF = "{}, which is none of those that just compute"
_RUN = "saves or restores files when it is run: {}"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_write, _NONE_OF.format("WriteFile")),
        (_read, _NONE_OF.format("ReadFile")),
        (_python, _NONE_OF.format("EagerPyFunc")),
        (_table, _NONE_OF.format("HashTableV2")),
        (_dataset, _NONE_OF.format("DatasetFromGraph")),
        (_mapped_file, _NONE_OF.format("ImmutableConst")),
        (_listing, _NONE_OF.format("MatchingFiles")),
        (_proto, _NONE_OF.format("DecodeProtoV2")),
        (_abort, _NONE_OF.format("Abort")),
        (_saves, _RUN.format("SaveV2")),
        (_restores, _RUN.format("RestoreV2")),
        (_renames, _RUN.format("MergeV2Checkpoints")),
    ],
)
@pytest.mark.parametrize("inside", ["signature", "branch", "nested"])
def test_graphs_that_could_do_more_than_compute(tmp_path, function, message, inside):
    module = tf.Module()

    @tf.function(autograph=False)
    def inner(x):
        return function(x)

    def call(x):
        if inside == "signature":
            return function(x)
        if inside == "nested":
            return tf.function(lambda y: inner(y) + 1.0, autograph=False)(x)
        return tf.cond(tf.reduce_sum(x) > 0, lambda: function(x), lambda: x)

    spec = tf.TensorSpec((None,), tf.float32)
    module.call = tf.function(call, [spec], autograph=False)
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.call)
    refused(tmp_path / "model", message)


def test_a_constant_of_a_terabyte(tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec((), tf.float32)
    module.call = tf.function(lambda x: x + tf.constant(1.0, shape=(4,)), [spec])
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.call)
    file = tmp_path / "model/saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(file.read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            for side in node.attr["value"].tensor.tensor_shape.dim:
                side.size = 2**38
    file.write_bytes(saved.SerializeToString())
    refused(tmp_path / "model", "constants would take [0-9]{13}")


def edited(path, change):
    """A SavedModel with another graph."""
    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(file.read_bytes())
    change(saved.meta_graphs[0])
    file.write_bytes(saved.SerializeToString())
    return path


def constants(meta_graph):
    for function in meta_graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const":
                yield node.attr["value"].tensor


def test_a_constant_of_negative_size_does_not_pay_for_a_huge_one(copy):
    def change(meta_graph):
        first, second, *_ = constants(meta_graph)
        for tensor, side in ((first, -(2**50)), (second, 2**50)):
            del tensor.tensor_shape.dim[:]
            tensor.tensor_shape.dim.add().size = side

    refused(edited(copy / "saved_model", change), "a constant has no size: .-1125899")


def test_constants_in_lists_and_texts_count_too(copy):
    def in_list(meta_graph):
        node = meta_graph.graph_def.library.function[0].node_def[0]
        tensor = node.attr["more"].list.tensor.add()
        tensor.dtype = tf.float32.as_datatype_enum
        tensor.tensor_shape.dim.add().size = 2**40

    refused(edited(copy / "saved_model", in_list), "constants would take 4398046511")

    def of_texts(meta_graph):
        tensor = next(constants(meta_graph))
        tensor.Clear()
        tensor.dtype = tf.string.as_datatype_enum
        tensor.string_val.append(b"x" * 100)
        tensor.tensor_shape.dim.add().size = 2**30

    def whole(meta_graph):
        meta_graph.graph_def.library.function[0].node_def[0].attr["more"].Clear()
        of_texts(meta_graph)

    refused(edited(copy / "saved_model", whole), "constants would take 133143986")


def test_a_saver_may_be_there_and_not_be_reached(copy):
    """TensorFlow's own is; the same function behind a signature is refused."""

    def saver(meta_graph):
        return next(
            function.signature.name
            for function in meta_graph.graph_def.library.function
            if any(node.op == "RestoreV2" for node in function.node_def)
        )

    def named_by_an_object(meta_graph):
        name = saver(meta_graph)
        functions = meta_graph.object_graph_def.concrete_functions
        functions[name].CopyFrom(functions[next(iter(functions))])

    def called_by_a_gradient(meta_graph):
        meta_graph.graph_def.library.gradient.add(
            function_name="any", gradient_func=saver(meta_graph)
        )

    def called_by_a_bare_function(meta_graph):
        nodes = meta_graph.object_graph_def.nodes
        bare = next(n for n in nodes if n.HasField("bare_concrete_function"))
        bare.bare_concrete_function.concrete_function_name = saver(meta_graph)

    def called_by_a_function(meta_graph):
        nodes = meta_graph.object_graph_def.nodes
        function = next(n for n in nodes if n.HasField("function"))
        function.function.concrete_functions.append(saver(meta_graph))

    check_model("saved_model", copy / "saved_model")
    for change in (
        named_by_an_object,
        called_by_a_gradient,
        called_by_a_bare_function,
        called_by_a_function,
    ):
        shutil.copytree(copy / "saved_model", copy / change.__name__)
        refused(edited(copy / change.__name__, change), "when it is run: ")


def test_a_name_of_no_function(copy):
    def change(meta_graph):
        nodes = meta_graph.object_graph_def.nodes
        bare = next(n for n in nodes if n.HasField("bare_concrete_function"))
        bare.bare_concrete_function.concrete_function_name = "none"

    refused(edited(copy / "saved_model", change), "a function that is not there: none")


def test_objects_that_loading_would_make(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable([1.0])
    spec = tf.TensorSpec((1,), tf.float32)
    module.call = tf.function(lambda x: x * module.weight, [spec])
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.call)
    refused(tmp_path / "model", "its graph has a variable; an export holds constants")


def test_an_object_of_another_class(copy):
    def change(meta_graph):
        node = meta_graph.object_graph_def.nodes[0]
        node.user_object.identifier = "optimizer"

    refused(edited(copy / "saved_model", change), "asks for an object 'optimizer'")


def test_an_asset(tmp_path):
    module = tf.Module()
    (tmp_path / "words.txt").write_text("x")
    module.asset = tf.saved_model.Asset(str(tmp_path / "words.txt"))
    tf.saved_model.save(module, str(tmp_path / "model"))
    refused(tmp_path / "model", "reads files")


def test_a_saved_model_of_somebody_else(tmp_path):
    module = tf.Module()
    module.call = tf.function(
        lambda x: x + 1.0, input_signature=[tf.TensorSpec((), tf.float32)]
    )
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.call)
    refused(tmp_path / "model", "does not say what it is")


def test_a_link_in_a_saved_model(copy):
    os.symlink("/etc/passwd", copy / "saved_model/variables/linked")
    refused(copy / "saved_model", "linked is a link")


# --- ONNX and LiteRT ---


def changed_onnx(path, change):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(path))
    change(model, onnx)
    path.write_bytes(model.SerializeToString())
    return path


def _external(model, onnx):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def _custom(model, onnx):
    model.graph.node[0].domain = "theirs"
    model.opset_import.add(domain="theirs", version=1)


def _declared(model, onnx):
    model.opset_import.add(domain="theirs", version=1)


def _outside(onnx):
    tensor = onnx.TensorProto(
        name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def _in_an_attribute(model, onnx):
    attribute = model.graph.node[0].attribute.add(name="w", type=4)
    attribute.t.CopyFrom(_outside(onnx))


def _in_a_sparse_one(model, onnx):
    model.graph.sparse_initializer.add().values.CopyFrom(_outside(onnx))


def _in_a_sparse_attribute(model, onnx):
    attribute = model.graph.node[0].attribute.add(name="w", type=11)
    attribute.sparse_tensor.indices.CopyFrom(_outside(onnx))


def _in_a_branch_without_nodes(model, onnx):
    attribute = model.graph.node[0].attribute.add(name="then_branch", type=5)
    attribute.g.name = "branch"
    attribute.g.initializer.add().CopyFrom(_outside(onnx))


def _only_named(model, onnx):
    tensor = model.graph.initializer[0]
    tensor.external_data.add(key="location", value="weights.bin")


def _negative(model, onnx):
    model.graph.initializer[0].dims[:] = [-1]


def _trains(model, onnx):
    model.training_info.add()


def _nameless(model, onnx):
    del model.metadata_props[:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_external, "another file|not a whole ONNX file"),
        (_custom, "theirs[.][A-Za-z]+, a custom operation"),
        (_declared, "operations of its own"),
        (_in_an_attribute, "another file"),
        (_in_a_sparse_one, "another file"),
        (_in_a_sparse_attribute, "another file"),
        (_in_a_branch_without_nodes, "another file"),
        (_only_named, "another file"),
        (_negative, "has the shape .-1.|not a whole ONNX file"),
        (_trains, "a training of its own"),
        (_nameless, "does not say what it is"),
    ],
)
def test_onnx_files_that_reach_out(copy, change, message):
    refused(changed_onnx(copy / "model.onnx", change), message)


@pytest.mark.parametrize("inside", [False, True])
def test_a_shape_that_asks_for_any_memory_is_not_folded(tmp_path, inside, monkeypatch):
    """Loading takes no memory for it; where the working directory is plays no part."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper = onnx.helper
    shape = helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [2**20, 2**11])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["images"], ["cast"], to=1),
        helper.make_node("Flatten", ["cast"], ["embedding"]),
        helper.make_node("ReduceMax", ["embedding"], ["top"], keepdims=1),
        helper.make_node("Add", ["top", "sum"], ["probs"]),
    ]
    image = helper.make_tensor_value_info("images", 2, [None, 4, 4, 3])
    outputs = [
        helper.make_tensor_value_info(name, 1, [None, None])
        for name in ("probs", "embedding")
    ]
    graph = helper.make_graph(nodes, "g", [image], outputs, [shape])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    helper.set_model_props(model, {"kerasfer.json": DESCRIPTION.to_json()})
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path))
    if inside:
        monkeypatch.chdir(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kerasfer.load(path)  # 8 GB if it were folded
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def test_a_custom_operation_of_litert(tmp_path):
    """As TensorFlow's own ones inside of LiteRT are, which can write files."""
    module = tf.Module()
    module.call = tf.function(
        lambda x: tf.raw_ops.Betainc(a=x, b=x, x=x),
        input_signature=[tf.TensorSpec((2,), tf.float32)],
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )
    converter.allow_custom_ops = True
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    with zipfile.ZipFile(tmp_path / "model.tflite", "a") as archive:
        archive.writestr("kerasfer.json", DESCRIPTION.to_json())
    refused(tmp_path / "model.tflite", "custom operation: Betainc")


def test_litert_files_of_another_kind(copy):
    (copy / "model.tflite").write_bytes(b"\0\0\0\0GGUF" + b"\0" * 99)
    refused(copy / "model.tflite", "not a LiteRT file")


# --- what is there ---


def test_what_is_no_export(tmp_path):
    with pytest.raises(FileNotFoundError, match="kerasfer export"):
        kerasfer.load(tmp_path / "nothing")
    refused(tmp_path, "no export")
    (tmp_path / "model.pt").write_text("x")
    refused(tmp_path / "model.pt", "no export")
    (tmp_path / "plain.keras").write_text("x")
    refused(tmp_path / "plain.keras", "not a whole zip")


def test_a_description_of_another_model(copy):
    text = DESCRIPTION.to_json().replace('"anger"', '"fear"')
    (copy / "saved_model/assets.extra/kerasfer.json").write_text(text)
    refused(copy / "saved_model", "must be unique")
