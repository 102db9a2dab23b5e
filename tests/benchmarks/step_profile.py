"""Where a training step's time goes, by oneDNN's own clock; rows of the table.

    python tests/benchmarks/step_profile.py

A step of FixMatch, Ada-CM and ReMoP with ResNet-18 at 112 px (16 labelled and 16
unlabelled faces), and of FixMatch by recipes/pretrained.yaml (16 and 48 faces of 80
px), in float32 and bfloat16, each in a process of its own with ONEDNN_VERBOSE=1. The
kernels' milliseconds are summed by their kind; what is left of the step is everything
else: activations, sums, losses, Adam, the EMA model, dispatch. Operations run
one at a time, so that the sums are parts of the step. Batches are made beforehand:
the input has rows of its own. The ratio is the convolutions' arithmetic (three forward
passes where there is a gradient) a second of the whole step over what a matrix product
of 2,048 rows reaches in the same precision.
"""

import collections
import os
import subprocess
import sys
import time

from rows import Row

_BEGIN, _END = "profile begins", "profile ends"
_STEPS, _MATRIX = 5, 2048
_FACES = 16
_ROWS = (  # scheme, backbone, side, unlabelled faces over labelled ones
    ("FixMatch", "resnet18", 112, 1),
    ("Ada-CM", "resnet18", 112, 1),
    ("FixMatch + ReMoP", "resnet18", 112, 1),
    ("FixMatch", "dlib_resnet", 80, 3),
)
_KINDS = {
    "forward": "convolutions",
    "backward_data": "gradients of images",
    "backward_weights": "gradients of kernels",
}
_OTHERS = {
    "batch_normalization": "normalisation",
    "pooling": "pooling",
    "reorder": "copies of memory",
    "inner_product": "products",
    "matmul": "products",
    "gemm_api": "products",
    "softmax": "softmax",
}


# --- in the process that is measured --------------------------------------------------


def profile(scheme, backbone, side, ratio, policy):
    import keras
    import tensorflow as tf

    import kerasfer
    from kerasfer.data import synthetic, training_dataset
    from kerasfer.training.read_order import reads_before_writes

    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.mixed_precision.set_global_policy(policy)
    faces = synthetic.render_manifest(200, seed=0, size=side)
    shape = (side, side, 3)
    classifier = kerasfer.build_classifier(backbone, shape, faces.num_classes)
    model = _model(scheme, classifier, faces.num_classes)
    model.compile(keras.optimizers.Adam(1e-4))
    data = training_dataset(faces, faces, model.all_views, _FACES, ratio)
    element = next(iter(data))
    batches = iter(tf.data.Dataset.from_tensors(element).repeat())
    rate = _matrix_rate(tf, policy)
    with reads_before_writes():  # all steps: outside of it the function is traced anew
        model.make_train_function()
        for _ in range(3):
            model.train_function(batches)
        print(_BEGIN, flush=True)
        start = time.perf_counter()
        for _ in range(_STEPS):
            float(model.train_function(batches)["loss"])
        seconds = (time.perf_counter() - start) / _STEPS
    print(_END, seconds, rate, _passes(scheme, ratio) * _flops(classifier), flush=True)


def _model(scheme, classifier, num_classes):
    import kerasfer

    if scheme == "Ada-CM":
        return kerasfer.schemes.AdaCM(classifier)
    remop = scheme.endswith("ReMoP")
    plug_ins = (kerasfer.plug_ins.ReMoP(num_classes),) if remop else ()
    return kerasfer.schemes.FixMatch(classifier, plug_ins=plug_ins)


def _passes(scheme, ratio):
    """Images whose forward pass a step has, those with gradients three times."""
    if scheme == "Ada-CM":  # two weak views with gradients and a strong one
        return _FACES * 3 * (1 + 3 * ratio)
    return _FACES * (3 * (1 + ratio) + ratio)


def _flops(classifier):
    """Of the convolutions of one image, forward."""
    import keras

    total, layers = 0, [classifier]
    while layers:
        layer = layers.pop()
        if isinstance(layer, keras.Model):
            layers += layer.layers
        elif isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            size = 1
            for extent in layer.kernel.shape:
                size *= int(extent)
            total += 2 * size * height * width
    return total


def _matrix_rate(tf, policy):
    """Operations a second of a matrix product."""
    dtype = tf.bfloat16 if policy == "mixed_bfloat16" else tf.float32
    matrix = tf.cast(tf.random.normal((_MATRIX, _MATRIX)), dtype)
    times = []
    for _ in range(8):
        start = time.perf_counter()
        float(tf.matmul(matrix, matrix)[0, 0])
        times.append(time.perf_counter() - start)
    return 2 * _MATRIX**3 / min(times)


# --- in the program -------------------------------------------------------------------


def measure(scheme, backbone, side, ratio, policy):
    words = [scheme, backbone, str(side), str(ratio), policy]
    environment = {**os.environ, "ONEDNN_VERBOSE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.run(
        [sys.executable, __file__, *words],
        capture_output=True, text=True, env=environment, check=True,
    )  # fmt: skip
    within, sums = False, collections.Counter()
    for line in process.stdout.splitlines():
        if line == _BEGIN:
            within = True
        elif line.startswith(_END):
            seconds, rate, flops = map(float, line.removeprefix(_END).split())
            within = False
        elif within and ",exec," in line:
            kind, milliseconds = _kind_of(line)
            sums[kind] += milliseconds / 1000 / _STEPS
    shares = {kind: 100 * value / seconds for kind, value in sums.most_common()}
    shares["everything else"] = 100 - sum(shares.values())
    text = ", ".join(f"{kind} {share:.0f} %" for kind, share in shares.items())
    Row(
        f"{scheme} step, {backbone}, {side} px, {policy.removeprefix('mixed_')}: "
        "where it goes",
        f"{seconds:.3f} s: {text}",
        f"a matrix product: {rate / 1e9:,.0f} GFLOP/s",
        flops / seconds / rate,
        "-",
    ).show()


def _kind_of(line):
    """What a line of oneDNN's log is of, and its milliseconds."""
    fields = line.split(",")
    at = fields.index("exec")
    primitive, propagation = fields[at + 2], fields[at + 4]
    if primitive != "convolution":
        return _OTHERS.get(primitive, "other kernels"), float(fields[-1])
    (kind,) = [_KINDS[prefix] for prefix in _KINDS if propagation.startswith(prefix)]
    return kind, float(fields[-1])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        scheme, backbone, side, ratio, policy = sys.argv[1:]
        profile(scheme, backbone, int(side), int(ratio), policy)
    else:
        for row in _ROWS:
            for policy in ("float32", "mixed_bfloat16"):
                measure(*row, policy)
