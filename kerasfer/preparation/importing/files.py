"""Images of a manifest as files."""

import contextlib

from kerasfer.preparation.importing.data_set import Rejected
from kerasfer.preparation.importing.source import below


class Files(contextlib.AbstractContextManager):
    """Images stay where they are; those that are no files are written to images/.

    Args:
        folder: of the manifest.
        source: of the data set: a folder, or a file.
    """

    def __init__(self, folder, source):
        self._folder, self._source = folder, source
        # What was unpacked beside the manifest moves with it; the rest is elsewhere.
        is_beside = folder in source.parents
        self._root = source.relative_to(folder) if is_beside else source.resolve()
        self._names = set()
        self.needs_source = False

    def add(self, face):
        """The name of an image in the manifest.

        Raises:
            Rejected: it is not there, leaves its folder, or its name was taken.
        """
        place = below(face.path)
        name = str(("images" if face.encoded else self._root) / place)
        if name in self._names:
            raise Rejected("another image of that name comes before it")
        if face.encoded is not None:
            encoded = face.encoded()
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded)
        elif (self._source / place).is_file():
            self.needs_source = True
        else:
            raise Rejected("its file is not there")
        self._names.add(name)
        return name

    def __exit__(self, *_):
        pass
