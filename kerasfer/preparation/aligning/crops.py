"""The crops of a shard: a file each, or one TFRecord file."""

import contextlib

from kerasfer.safe_write import written_aside


@contextlib.contextmanager
def crops_of_shard(out, number, output):
    """Gives a function, (picture, encoded) -> its path in the manifest.

    Every file is whole or absent; done again, the same bytes are written.
    """
    if output == "tfrecord":
        from kerasfer.data.records import ENDING, ShardWriter

        name = f"shards/{number:06d}{ENDING}"
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside, ShardWriter(aside) as shard:
            yield (
                lambda picture, encoded: f"{name}#{shard.write(encoded, picture.name)}"
            )
        return

    def write(picture, encoded):
        path = out / picture.target
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside:
            aside.write_bytes(encoded)
        return picture.target

    yield write
