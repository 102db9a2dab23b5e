"""Views of a user's own: a function of an image and a seed, or albumentations."""

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasfer.augment.views import VIEWS, WEAK_DRAWS, WEAK_VIEWS, apply_weak
from kerasfer.types import Array
from kerasfer.vision.images import resize

_SEEDS = 2**31  # what any generator of random numbers takes
_TRIED = (0, 1, 7, 99, _SEEDS - 1)


class OwnView:
    """A function (uint8 image, seed) -> uint8 image, in the place of one of our views.

    What it gives is resized to the classifier's input, and is all of the view: no crop
    and no mirror are added. The same seed must give the same view: that is what makes a
    run that goes on see what it would have seen.

    Args:
        function: of a uint8 image (height, width, channels), to be left as it is, and
            an int; or an albumentations `Compose` (2.0 or later), which is copied for
            each thread, since it holds its own random state.
    """

    def __init__(self, function: Callable[..., Array]) -> None:
        self._given = function
        self.function = getattr(function, "part", function)  # of a `ByReference`
        self._local = threading.local()

    def __reduce__(self):
        return OwnView, (self._given,)  # what is of a thread cannot be pickled

    def __call__(
        self, image: Array, draws: Array, size: Sequence[int], pad: float
    ) -> Array:
        return resize(self.of(image, int(draws[0] * _SEEDS)), size)

    def of(self, image: Array, seed: int) -> Array:
        """The view of an image at its own size.

        Raises:
            ValueError: it is no uint8 image of as many channels.
        """
        view = np.asarray(self._drawn(image, seed))
        if view.ndim == 2 and image.shape[2] == 1:
            view = view[..., None]
        if view.dtype != np.uint8 or view.shape[2:] != image.shape[2:]:
            raise ValueError(
                f"A view must be a uint8 image (height, width, {image.shape[2]}), "
                f"values 0 to 255. Received: dtype={view.dtype}, shape={view.shape}."
            )
        return view

    def _drawn(self, image, seed):
        if not _is_compose(self.function):
            return self.function(image, seed)
        if not hasattr(self._local, "compose"):
            self._local.compose = copy.deepcopy(self.function)
        self._local.compose.set_random_seed(seed)
        return self._local.compose(image=image)["image"]


def _is_compose(function):
    return hasattr(function, "set_random_seed") and hasattr(function, "transforms")


def view_functions(weak: Any = None, strong: Any = None) -> dict[str, tuple]:
    """Name of a view -> (how to apply it, how many draws it takes); "image" and
    "image_strong" are those of labelled faces.

    Args:
        weak, strong: functions, for those of one's own; None is ours.
    """
    functions = {
        "image": (apply_weak, WEAK_DRAWS),
        "image_strong": VIEWS["strong"],
        **VIEWS,
    }
    for view in functions:
        own = weak if view in ("image", *WEAK_VIEWS) else strong
        if own is not None:
            functions[view] = (OwnView(own), 1)
    return functions


def check_view(function: Any, image: Array, name: str) -> None:
    """Tries a view of one's own before any training.

    Args:
        function: see `OwnView`.
        image: uint8 (height, width, channels), one of the faces.
        name: "weak" or "strong", for the errors.

    Raises:
        ValueError: it gives something else than a uint8 image of as many channels,
            another one for the same seed, or changes the image that it is given.
    """
    given, view = image.copy(), OwnView(function)
    for seed in _TRIED:
        try:
            first, second = (view.of(image, seed).copy() for _ in range(2))
        except ValueError as error:
            raise ValueError(
                f"The {name} view, with the seed {seed}: {error}"
            ) from error
        if not np.array_equal(image, given):
            raise ValueError(
                f"The {name} view changes the image that it is given, which other "
                "views of the same face read too. Work on a copy: image.copy()."
            )
        if first.shape != second.shape or not np.array_equal(first, second):
            raise ValueError(
                f"The {name} view gives two different images for the same image and "
                "seed, so that no run could be repeated or resumed. Draw from "
                "np.random.default_rng(seed), not from a global generator."
            )
