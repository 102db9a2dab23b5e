"""The memory that a training will take, tried before it begins.

What a training takes depends on the network, the libraries' kernels and their scratch
space, so two steps are trained and measured, in a process of its own, with the flags of
the run. It validates as the run does, and does not read the test set.
"""

import dataclasses
import multiprocessing
import os
import pathlib
import re
import signal
import tempfile

from kerasfer.doctor import OK, WRONG, Finding
from kerasfer.experiments.flags import with_values
from kerasfer.experiments.floors import FLOORS
from kerasfer.experiments.folds import per_fold
from kerasfer.experiments.out_of_memory import OutOfMemory, describe_batch, half_of
from kerasfer.machine_memory import machine_memory

_FULL = 0.9  # of the machine's memory: the rest is other programs'
_OUT = "out of memory"
_STATUS = pathlib.Path("/proc/self/status")


@dataclasses.dataclass(frozen=True)
class Trial:
    """Two steps of a training.

    Attributes:
        host: bytes at the peak of the process; 0 if it did not come to an end.
        gpus: bytes at the peak of each GPU.
        error: why it did not come to an end; "out of memory" if that is why.
    """

    host: int = 0
    gpus: tuple = ()
    error: str = ""


def check_memory(recipe, config, tried=None):
    """A `Finding` for each method of a command: what its training takes, and, where
    that is too much, the largest of the halves of its batch that fits.

    Args:
        recipe: a `Recipe`.
        config: of the run.
        tried: (recipe, config, method) -> `Trial`; None trains.

    Raises:
        ValueError: a recipe of several trainings, or options that cannot be.
    """
    tried = tried or try_steps
    memory = machine_memory()
    if recipe.chain is not None:
        raise ValueError(
            f"{recipe.name} is a chain of trainings. Expected a recipe of one; the "
            "memory of the chain is that of its largest network."
        )
    recipe.check(config)
    config = per_fold(config)[0][1]
    for method in dict.fromkeys(recipe.methods(config)):
        if method in FLOORS:
            continue
        trial = tried(recipe, config, method)
        if trial.error not in ("", _OUT):
            yield Finding(f"memory of {method}", WRONG, trial.error)
        elif _fits(trial, memory):
            yield Finding(f"memory of {method}", OK, _says(trial, config, memory))
        else:
            yield Finding(
                f"memory of {method}",
                WRONG,
                _says(trial, config, memory),
                _what_fits(recipe, config, method, memory, tried),
            )


def _fits(trial, memory):
    return not trial.error and trial.host < _FULL * memory


def _says(trial, config, memory):
    batch = describe_batch(config.faces)
    if trial.error:
        return f"{_OUT} in {batch}; the machine has {memory / 1e9:.1f} GB"
    gpus = "".join(
        f", GPU {number}: {peak / 1e9:.2f} GB" for number, peak in enumerate(trial.gpus)
    )
    peak = f"{trial.host / 1e9:.2f} of {memory / 1e9:.1f} GB"
    return f"{peak} at the peak{gpus}; {batch}"


def _what_fits(recipe, config, method, memory, tried):
    smaller = half_of(config.faces)
    while smaller:
        trial = tried(recipe, with_values(config, smaller), method)
        if _fits(trial, memory):
            ((name, value),) = smaller.items()
            return f"--{name.replace('_', '-')} {value}: {trial.host / 1e9:.2f} GB"
        smaller = half_of(dataclasses.replace(config.faces, **smaller))
    return "not even one face a step fits: a smaller --image-size or --backbone"


def try_steps(recipe, config, method):
    """A `Trial`, in a process of its own."""
    context = multiprocessing.get_context("spawn")  # a fork would have TensorFlow's
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        config = two_steps(config, folder)
        process = context.Process(
            target=_train, args=(theirs, recipe.name, config, method)
        )
        process.start()
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            process.join()
            return Trial(error=_end_of(process.exitcode))
        finally:
            process.join()


def two_steps(config, folder):
    """A config of one step in each of two epochs, with its run in a folder: some
    methods learn from unlabelled faces, or by a margin, from the second epoch on."""
    values = {
        "epochs": 2,
        "steps_per_epoch": 1,
        "out": pathlib.Path(folder),
        "resume": False,
        "report": False,
        "tensorboard": False,
        "selections": (),
    }
    if any(hasattr(group, "supervised_epochs") for group in vars(config).values()):
        values["supervised_epochs"] = None  # the same for the methods that have it
    return with_values(config, values)


def _end_of(code):
    if code == -signal.SIGKILL:
        return _OUT  # by the system: nobody else kills it
    return f"the training ended with status {code}; run it to see why"


def _train(pipe, name, config, method):
    """The process."""
    from kerasfer.experiments.study.file import load_recipe
    from kerasfer.quiet import quiet

    quiet()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    recipe = load_recipe(name, "doctor")
    seed = config.output.seeds[0]
    try:
        folder = config.output.out / "run"
        recipe.run(config, method, seed, folder, read_test=False)
    except OutOfMemory:
        pipe.send(Trial(error=_OUT))
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else "no message"
        pipe.send(Trial(error=f"{type(error).__name__}: {text}"))
    else:
        pipe.send(Trial(_peak_of_host(), _peaks_of_gpus()))


def _peak_of_host():
    """Bytes. Linux' `ru_maxrss` would be the parent's where that is larger: a new
    program inherits it."""
    if _STATUS.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        return 1024 * int(found.group(1))
    import resource  # of macOS, in bytes

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _peaks_of_gpus():
    import tensorflow as tf

    count = len(tf.config.list_logical_devices("GPU"))
    info = tf.config.experimental.get_memory_info
    return tuple(info(f"GPU:{number}")["peak"] for number in range(count))
