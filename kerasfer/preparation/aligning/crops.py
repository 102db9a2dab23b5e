"""The crops of a shard: a file each, or one TFRecord file."""

import contextlib

from kerasfer.safe_write import atomic_write


@contextlib.contextmanager
def crops_of_shard(out, number, output):
    """Gives a function, (photo, encoded) -> its path in the manifest.

    Every file is whole or absent; done again, the same bytes are written.
    """
    if output == "tfrecord":
        from kerasfer.data.records import ENDING, ShardWriter

        name = f"shards/{number:06d}{ENDING}"
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary, ShardWriter(temporary) as shard:
            yield (lambda photo, encoded: f"{name}#{shard.write(encoded, photo.name)}")
        return

    def write(photo, encoded):
        path = out / photo.target
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(encoded)
        return photo.target

    yield write
