"""A photo's rotation tag (EXIF), read and obeyed inside a graph."""

import tensorflow as tf

_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112  # tag of TIFF
_HEAD = 2**17  # bytes of a file that are looked at: the segment has 64 KiB at most
_MOST_ENTRIES = 1024


def upright(image, encoded):
    """A decoded image as its rotation tag says it is to be seen.

    OpenCV and Pillow (`ImageOps.exif_transpose`) do the same where training data are
    read; `tf.io.decode_jpeg` does not.

    Args:
        image: (height, width, channels).
        encoded: string scalar, the file that it was decoded from. A file that is no
            JPEG, or has no tag in 1..8, is left as it is.

    Returns:
        the image; height and width may have changed places.
    """
    tag = orientation(encoded)

    def flipped(image, tags, axis):
        hit = tf.reduce_any(tag == tf.constant(tags))
        return tf.cond(hit, lambda: tf.reverse(image, [axis]), lambda: image)

    image = tf.cond(tag >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    return flipped(flipped(image, (2, 3, 6, 7), 1), (3, 4, 7, 8), 0)


def orientation(encoded):
    """The rotation tag of a JPEG file, 1 (upright) where there is none.

    Args:
        encoded: string scalar.

    Returns:
        int32 scalar in 1..8.
    """
    head = tf.strings.substr(encoded, 0, _HEAD) + tf.constant(b"\0" * 4)
    data = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int32)
    tag = _tag(data, _start_of_exif(data))
    return tf.where((tag >= 1) & (tag <= 8), tag, 1)


def _byte(data, place):
    """The byte there; behind the end, the last one, which is 0."""
    return tf.gather(data, tf.clip_by_value(place, 0, tf.size(data) - 1))


def _number(data, place, size, big):
    """An unsigned number of `size` bytes, of either order."""
    value = tf.zeros_like(place)
    for k in range(size):
        offset = tf.where(big, k, size - 1 - k)
        value = value * 256 + _byte(data, place + offset)
    return value


def _start_of_exif(data):
    """Where the segment's TIFF header begins, -1 without one."""

    def is_exif(place):
        same = [_byte(data, place + 4 + k) == byte for k, byte in enumerate(_EXIF)]
        return tf.reduce_all(tf.stack([_byte(data, place + 1) == 0xE1, *same]))

    def goes_on(place):
        is_marker = (_byte(data, place) == 0xFF) & (_byte(data, place + 1) != 0xDA)
        return is_marker & (place < tf.size(data)) & ~is_exif(place)

    def next_marker(place):
        filled = _byte(data, place + 1) == 0xFF  # any number of these may stand there
        length = 2 + _number(data, place + 2, 2, True)
        return (place + tf.where(filled, 1, length),)

    is_jpeg = (_byte(data, 0) == 0xFF) & (_byte(data, 1) == 0xD8)
    (place,) = tf.while_loop(goes_on, next_marker, (tf.constant(2),))
    return tf.where(is_jpeg & is_exif(place), place + 4 + len(_EXIF), -1)


def _tag(data, start):
    """The orientation of the first directory, 0 without one."""
    big = _byte(data, start) == ord("M")
    directory = start + _number(data, start + 4, 4, big)
    count = tf.clip_by_value(_number(data, directory, 2, big), 0, _MOST_ENTRIES)
    entries = directory + 2 + 12 * tf.range(count)
    found = _number(data, entries, 2, big) == _ORIENTATION
    values = tf.where(found, _number(data, entries + 8, 2, big), 0)
    values = tf.concat([values, [0]], 0)  # of an empty directory too there is a maximum
    return tf.where(start >= 0, tf.reduce_max(values), 0)
