"""What a training says where memory runs out."""

import contextlib
import errno


class OutOfMemory(MemoryError):
    """TensorFlow had no memory left for a step."""


def half_of(faces):
    """The flag that halves a batch, as {name: value}; empty where it cannot be."""
    if faces.batch_size > 1:
        return {"batch_size": faces.batch_size // 2}
    return {}


def describe_batch(faces):
    """Of how many faces a step is, of which size."""
    return (
        f"steps of {faces.batch_size} labelled and up to "
        f"{faces.batch_size * faces.unlabeled_ratio} unlabelled faces, "
        f"{faces.image_size} px"
    )


@contextlib.contextmanager
def exhausted_memory_explained(faces):
    """Raises `OutOfMemory`, with what to lower, where TensorFlow has no memory left.

    Args:
        faces: flags of the data.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if "No space left" in str(error):  # TensorFlow's name for a full disk too
            raise OSError(errno.ENOSPC, str(error)) from None
        lower = "".join(
            f" Lower --{name.replace('_', '-')} to {value}, half of it, or"
            for name, value in half_of(faces).items()
        )
        raise OutOfMemory(
            f"Out of memory in {describe_batch(faces)}.{lower or ' Lower'} "
            "--image-size; `kerasfer doctor RECIPE` with the same flags tries which "
            f"batch fits. ({(str(error) or 'no message').splitlines()[0]})"
        ) from None
