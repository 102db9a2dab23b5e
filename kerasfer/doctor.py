"""Whether training works on this machine, and what to do where it does not."""

import dataclasses
import functools
import importlib.util
import os
import pathlib
import platform
import shutil
import sys
import time

OK, NOTE, WRONG = "ok", "note", "WRONG"
_LEAST_DISK = 2e9  # bytes: a few runs of the compact network with their checkpoints
# Module -> what pip calls it, and what needs it.
_OPTIONAL = {
    "mtcnn": ("mtcnn", "finding faces in photos"),
    "keras_tuner": ("keras-tuner", "kerasfer tune"),
    "mapie": ("MAPIE", "calibration errors, reports"),
    "tensorboard": ("tensorboard", "recipes with --tensorboard"),
    "tf2onnx": ("tf2onnx onnx onnxruntime", "export to ONNX"),
    "ai_edge_litert": ("ai-edge-litert", "export to LiteRT"),
}
_print = functools.partial(print, flush=True)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `state` is "ok", "note" or "WRONG"."""

    what: str
    state: str
    says: str
    mend: str = ""


def examine(checks=None, say=_print):
    """Looks at all there is to look at, and prints each finding when it is made.

    Args:
        checks: functions that give findings; None is all of this module. One that
            fails is a finding too: the others still run.
        say: what takes each line.

    Returns:
        exit code: 0, or 1 if something is wrong.

    >>> examine([python_version])
    ok     Python: 3...
    Nothing is wrong.
    0
    """
    wrong = 0
    for check in CHECKS if checks is None else checks:
        for finding in _findings(check):
            wrong += finding.state == WRONG
            say(f"{finding.state:<6} {finding.what}: {finding.says}")
            if finding.mend:
                say(f"{'':<7}-> {finding.mend}")
    say(f"{wrong} things are wrong." if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


def _findings(check):
    try:
        yield from check()
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else "no message"
        name = check.__name__.replace("_", " ")
        yield Finding(name, WRONG, f"{type(error).__name__}: {text}", _mend(error))


def _mend(error):
    if isinstance(error, ImportError):
        return "install the package: pip install 'kerasfer[experiments]'"
    return "report it with this output if nothing above explains it"


# --- what is looked at ----------------------------------------------------------------


def python_version():
    """Whether kerasfer runs on this Python."""
    version = platform.python_version()
    if (3, 10) <= sys.version_info[:2] <= (3, 13):
        yield Finding("Python", OK, version)
    else:
        yield Finding(
            "Python", WRONG, version, "make the environment with Python 3.10 to 3.13"
        )


def packages():
    """TensorFlow and Keras fit each other, and kerasfer."""
    import keras

    import kerasfer
    from kerasfer._compat import describe_stack

    yield Finding("kerasfer", OK, kerasfer.__version__)
    pair, fits = describe_stack()
    if fits:
        yield Finding("stack", OK, pair)
    else:
        yield Finding(
            "stack", WRONG, pair,
            "pip install --upgrade tensorflow keras (TensorFlow 2.18 and Keras 3.12, "
            "or later), or 'kerasfer[addons]' (both 2.15)",
        )  # fmt: skip
    if keras.backend.backend() != "tensorflow":
        yield Finding(
            "backend", WRONG, f"Keras runs on {keras.backend.backend()}",
            "set KERAS_BACKEND=tensorflow, before Python starts",
        )  # fmt: skip


def optional_packages():
    """What is missing, and what it would be for."""
    for module, (package, use) in _OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            yield Finding(
                package, NOTE, f"not installed, needed for {use}",
                f"if you want it: pip install {package}",
            )  # fmt: skip


def devices():
    """Which devices there are; a GPU that TensorFlow does not see."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    names = [details.get("device_name", "GPU") for details in names]
    cores = f"{os.cpu_count()} CPU cores"
    yield Finding("devices", OK, ", ".join([*names, cores]))
    if not gpus and shutil.which("nvidia-smi"):
        yield Finding(
            "GPU", WRONG, "there is an NVIDIA driver, but TensorFlow sees no GPU",
            "pip install 'tensorflow[and-cuda]' of the same version; see that "
            "CUDA_VISIBLE_DEVICES is not empty",
        )  # fmt: skip
    elif not gpus:
        yield Finding(
            "GPU", NOTE, "none: use --backbone compact and few steps on a CPU"
        )


# In float16 a first step whose gradients overflow is left out and halves the scale of
# the loss; a start may lose two steps so.
_STEPS = 8


def training_steps():
    """Real steps of FixMatch on a tiny network, in each precision."""
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        begin = time.monotonic()
        moved = _moved_by_steps(policy)
        seconds = time.monotonic() - begin
        if moved > 0:
            says = f"weights moved by {moved:.1e} in {_STEPS} steps, {seconds:.1f} s"
            yield Finding(f"training, {policy}", OK, says)
        else:
            yield Finding(
                f"training, {policy}", WRONG, f"weights moved by {moved}",
                "train in another precision (--mixed-precision off)",
            )  # fmt: skip


def _moved_by_steps(policy):
    import keras
    import numpy as np

    from kerasfer.classifiers import build_classifier
    from kerasfer.data import from_arrays, training_dataset
    from kerasfer.schemes import FixMatch

    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
        faces = from_arrays(images, np.arange(8) % 2)
        model = FixMatch(build_classifier("compact", (16, 16, 3), 2), threshold=0.0)
        model.compile(keras.optimizers.SGD(0.1))
        old = [np.asarray(w) for w in model.classifier.get_weights()]
        data = training_dataset(faces, faces, model.all_views, 4)
        model.fit(data, steps_per_epoch=_STEPS, verbose=0)
        new = [np.asarray(w) for w in model.classifier.get_weights()]
        moves = [np.abs(a - b).max() for a, b in zip(old, new, strict=True)]
        return float(max(moves))
    finally:
        keras.mixed_precision.set_global_policy(before)


def image_decoding():
    """JPEG and PNG, written and read as training reads them."""
    import tempfile

    import numpy as np

    from kerasfer.vision.images import cv2, read_image

    ramp = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for ending, most in ((".png", 0), (".jpg", 30)):
            path = pathlib.Path(folder) / f"ramp{ending}"
            cv2.imencode(ending, cv2.cvtColor(ramp, cv2.COLOR_RGB2BGR))[1].tofile(path)
            off = np.abs(read_image(path).astype(int) - ramp).max()
            state = OK if off <= most else WRONG
            mend = "" if state == OK else "pip install --force-reinstall opencv-python"
            says = f"differs by {off} of 255 at most (OpenCV {cv2.__version__})"
            yield Finding(f"decoding {ending}", state, says, mend)


def disk():
    """Room for runs in the folder that one is in, and whether it can be written."""
    here = pathlib.Path.cwd()
    free = shutil.disk_usage(here).free
    if not os.access(here, os.W_OK):
        yield Finding(
            "disk", WRONG, f"{here} cannot be written", "give --out another folder"
        )
    elif free < _LEAST_DISK:
        yield Finding(
            "disk", WRONG, f"{free / 1e9:.1f} GB free in {here}",
            "free some, or give --out a folder on another disk",
        )  # fmt: skip
    else:
        yield Finding("disk", OK, f"{free / 1e9:.0f} GB free in {here}")


CHECKS = (
    python_version,
    packages,
    optional_packages,
    devices,
    training_steps,
    image_decoding,
    disk,
)
