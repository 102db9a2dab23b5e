"""Images of a manifest in TFRecord shards."""

import contextlib

from kerasfer.data.records import ENDING, ShardWriter
from kerasfer.preparation.importing.data_set import Rejected
from kerasfer.preparation.importing.source import below

_A_SHARD = 1000  # images


class Shards(contextlib.AbstractContextManager):
    """The bytes of all images, as they are, go into shards of a thousand."""

    needs_source = False

    def __init__(self, folder, source):
        self._folder, self._source = folder, source
        self._count, self._writer = 0, None

    def add(self, face):
        """As `Files.add`."""
        place = below(face.path)
        if face.encoded is not None:
            encoded = face.encoded()
        else:
            try:
                encoded = (self._source / place).read_bytes()
            except OSError:
                raise Rejected("its file is not there") from None
        name = f"shards/{self._count // _A_SHARD:06d}{ENDING}"
        if self._count % _A_SHARD == 0:
            self.__exit__()
            (self._folder / "shards").mkdir(exist_ok=True)
            self._writer = ShardWriter(self._folder / name)
        self._count += 1
        return f"{name}#{self._writer.write(encoded, face.path)}"

    def __exit__(self, *_):
        if self._writer is not None:
            self._writer.close()
