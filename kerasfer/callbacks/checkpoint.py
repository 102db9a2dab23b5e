"""All that a run needs to go on after its process ended, however it ended."""

import hashlib
import json
import math
import pathlib
import re
import shutil
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import kerasfer
from kerasfer._compat import build_optimizer, optimizer_variables
from kerasfer.safe_write import (
    atomic_write,
    new_folder,
    remove_leftovers,
    require_room,
)
from kerasfer.types import PathLike

FORMAT = 1
_KEPT = 2
_SPARE = 2**20  # bytes, for what lies beside the variables
_ABOUT, _VARIABLES, _FILES = "checkpoint.json", "variables.npz", "files"
_NAME = re.compile(r"epoch-\d+")
_PLACE = re.compile(
    r"(^|_)(filepath|path|file|filename|folder|dir|directory|url)(_|$)", re.IGNORECASE
)
_SIMPLE = (bool, int, float, str, type(None))


class Checkpoint(keras.callbacks.Callback):
    """Keeps a run's whole state at the end of each epoch; the last callback of `fit`.

    The state is every variable of the model and its optimiser (weights, averaged ones,
    moments, centroids, margins, label memories, counters of dropout and schedules),
    what callbacks remember, and the files they write. Data sets of
    `kerasfer.data.training_dataset` need no state: an element is a function of its
    step. Resumed on the same kind of machine with as many threads, a run is identical
    to the bit to an uninterrupted one: the epoch that was cut off is repeated, and
    files are restored to what they were at its start. Not so with Dropout layers under
    Keras 2.15, whose random state is in no variable: there the rest of the run is
    another draw. Nor with several replicas that are never validated: batch statistics,
    of which each has its own until then, continue from their mean.

    A checkpoint is a folder, written under a temporary name, flushed to the disk and
    renamed, so that neither a kill nor a loss of power takes the one before. The newest
    two are kept; where the newest is damaged, the run continues from the other. A
    checkpoint holds arrays and JSON; nothing in it is code.

    Args:
        folder: of checkpoints; of the run alone.
        run: what the run is, as JSON holds it; another run's checkpoint is refused.
        remembering: callbacks and other objects whose state is kept: all simple
            attributes (numbers, texts, lists of them), or what `get_state()` gives and
            `set_state(state)` takes.
        files: that callbacks write, which may not be there yet.

    >>> best = kerasfer.callbacks.SaveWeights("run/best.weights.h5", "accuracy")
    >>> checkpoint = Checkpoint("run/checkpoints", {"seed": 0}, [best], [best.path])
    >>> done = checkpoint.resume(model)  # 0 in a new run
    >>> data = training_dataset(split.labeled, split.unlabeled, model.all_views,
    ...                         start_step=done * 2)
    >>> _ = model.fit(data, initial_epoch=done, epochs=2, steps_per_epoch=2,
    ...               callbacks=[best, checkpoint])
    """

    def __init__(
        self,
        folder: PathLike,
        run: Any,
        remembering: Sequence[Any] = (),
        files: Sequence[Any] = (),
    ) -> None:
        super().__init__()
        self.folder, self.run = pathlib.Path(folder), json.loads(json.dumps(run))
        self.remembering = list(remembering)
        self.files = [pathlib.Path(file) for file in files]
        self._states = None

    def resume(self, model: Any) -> int:
        """Puts a compiled model and the files back to the last checkpoint.

        Returns:
            how many epochs are done, to be `initial_epoch`; 0 without a checkpoint.

        Raises:
            ValueError: the checkpoint is damaged, of another run, of other variables,
                or of a later version of kerasfer; with which. Nothing was changed.
        """
        _build_optimizer(model)
        if self.folder.is_dir():
            remove_leftovers(self.folder)
        place = last_checkpoint(self.folder)
        if place is None:
            return 0
        about = _of_this_run(place, _whole(place), self.run)
        _assign(place, about["variables"], _variables(model))
        for number, file in enumerate(self.files):
            kept = place / _FILES / str(number)
            if kept.exists():
                with atomic_write(file) as temporary:
                    shutil.copyfile(kept, temporary)
            else:
                file.unlink(missing_ok=True)
        self._states = about["remembered"]
        return about["epochs"]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # In a run that `resume` did not begin too: built by its first step, the
        # optimiser's variables have other names under Keras 2.15.
        _build_optimizer(self.model)
        # Keras' own callbacks forget all at the beginning, and come before this one.
        if self._states is not None:
            for remembering, state in zip(self.remembering, self._states, strict=True):
                _set_state(remembering, state)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        place = self.folder / f"epoch-{epoch + 1:06d}"
        variables = _variables(self.model)
        self.folder.mkdir(parents=True, exist_ok=True)
        require_room(self.folder, 1.1 * sum(map(_bytes, variables)) + _SPARE)
        if place.exists():  # damaged: the run went on from the one before
            shutil.rmtree(place)
        with new_folder(place) as temporary:
            _write_variables(temporary / _VARIABLES, variables)
            (temporary / _FILES).mkdir()
            for number, file in enumerate(self.files):
                if file.exists():
                    shutil.copyfile(file, temporary / _FILES / str(number))
            about = {
                "format": FORMAT,
                "kerasfer": kerasfer.__version__,
                "run": self.run,
                "epochs": epoch + 1,
                "variables": [_described(variable) for variable in variables],
                "remembered": [_state_of(r) for r in self.remembering],
                "sha256": _digests(temporary),
            }
            (temporary / _ABOUT).write_text(json.dumps(about))
        for other in checkpoints(self.folder)[_KEPT:]:
            shutil.rmtree(other)


def last_checkpoint(folder: PathLike) -> Any:
    """The path of the newest whole checkpoint in a folder, None where there is none.

    Raises:
        ValueError: there are some, and all are damaged; with how the newest is.

    Warns:
        UserWarning: the newest is damaged, another one is taken.

    >>> last_checkpoint("run/checkpoints") is None
    True
    """
    newest = None
    for place in checkpoints(folder):
        try:
            _whole(place)
        except ValueError as error:
            newest = newest or error
            continue
        if newest is not None:
            warnings.warn(f"{newest} Going on from {place.name}.", stacklevel=2)
        return place
    if newest is not None:
        raise newest
    return None


def checkpoints(folder: PathLike) -> list:
    """Paths of the checkpoints in a folder, whole or not, the newest first.

    >>> checkpoints("run/checkpoints")
    []
    """
    folder = pathlib.Path(folder)
    places = folder.iterdir() if folder.is_dir() else ()
    return sorted((p for p in places if _NAME.fullmatch(p.name)), reverse=True)


def _whole(place):
    """What a checkpoint says of itself, once all of it is as it was written.

    Raises:
        ValueError: it is damaged, or of a later version.
    """
    again = f"Remove {place.parent} to start the run anew."
    try:
        about = json.loads((place / _ABOUT).read_text())
        form, digests = about["format"], about["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"Checkpoint {place} is damaged ({error}). {again}") from None
    if form != FORMAT:
        raise ValueError(
            f"Checkpoint {place} has format {form}, written by kerasfer "
            f"{about.get('kerasfer')}; this version reads format {FORMAT}. Go on with "
            f"that version. {again}"
        )
    if digests != _digests(place):
        found = _digests(place)
        wrong = sorted(n for n in {*digests, *found} if digests.get(n) != found.get(n))
        raise ValueError(
            f"Checkpoint {place} is damaged: {', '.join(wrong)} is not what was "
            f"written. {again}"
        )
    return about


def _of_this_run(place, about, run):
    if about["run"] != run:
        names = sorted({*about["run"], *run})
        others = [n for n in names if about["run"].get(n) != run.get(n)]
        raise ValueError(
            f"Checkpoint {place} is of another run, with other {', '.join(others)}. "
            "Choose another folder."
        )
    return about


def _digests(folder):
    return {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _ABOUT
    }


def _digest(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# --- variables ------------------------------------------------------------------------


def _build_optimizer(model):
    with model.distribute_strategy.scope():
        build_optimizer(model.optimizer, model.trainable_variables)


def _variables(model):
    """Those of the model and its optimiser, each once, in an order of the model's."""
    every = [*model.variables, *optimizer_variables(model.optimizer)]
    return list({id(variable): variable for variable in every}.values())


def _described(variable):
    """Name without the numbers that depend on earlier models, shape, dtype."""
    name = re.sub(r"_\d+", "", getattr(variable, "path", variable.name))
    dtype = tf.as_dtype(variable.dtype).name
    return [name, list(variable.shape), dtype]


def _bytes(variable):
    return math.prod(variable.shape) * tf.as_dtype(variable.dtype).size


def _write_variables(path, variables):
    # As bytes: NumPy's files do not know bfloat16.
    arrays = [np.asarray(tf.convert_to_tensor(v)).reshape(-1) for v in variables]
    names = [f"{number:06d}" for number in range(len(arrays))]
    np.savez(path, **dict(zip(names, (a.view(np.uint8) for a in arrays), strict=True)))


def _assign(place, described, variables):
    own = [_described(variable) for variable in variables]
    if own != described:
        pairs = zip([*described, None], [*own, None], strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), None)
        raise ValueError(
            f"Checkpoint {place} is of a model with other variables: {len(described)} "
            f"there, {len(own)} here; the first that differs is {first[0]} there, "
            f"{first[1]} here."
        )
    with np.load(place / _VARIABLES, allow_pickle=False) as arrays:
        for number, variable in enumerate(variables):
            dtype = tf.as_dtype(variable.dtype).as_numpy_dtype
            values = arrays[f"{number:06d}"].view(dtype).reshape(tuple(variable.shape))
            variable.assign(values)


# --- callbacks ------------------------------------------------------------------------


def _state_of(remembering):
    if hasattr(remembering, "get_state"):
        return remembering.get_state()
    return {
        name: value
        for name, value in vars(remembering).items()
        if _is_simple(value) and not _PLACE.search(name)
    }


def _set_state(remembering, state):
    if hasattr(remembering, "set_state"):
        remembering.set_state(state)
        return
    for name, value in state.items():
        if not _PLACE.search(name):  # a file cannot make a callback write elsewhere
            setattr(remembering, name, value)


def _is_simple(value):
    if isinstance(value, list):
        return all(map(_is_simple, value))
    return isinstance(value, _SIMPLE)
