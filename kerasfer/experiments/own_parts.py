"""Schemes, plug-ins, backbones, losses and views from a user's own file or module.

A flag has `module:NAME`, or `path/to/file.py:NAME`.
"""

import functools
import hashlib
import importlib
import importlib.util
import pathlib
import sys

from kerasfer.safe_write import atomic_write

_NOT_OWN = ("keras:",)


def is_own(text):
    """Whether a flag's value names a part of the user's own."""
    if not isinstance(text, str) or text.startswith(_NOT_OWN):
        return False
    place, _, name = text.rpartition(":")
    return name.isidentifier() and (
        place.endswith(".py") or place.replace(".", "_").isidentifier()
    )


def name_of(text):
    """The last part of "mine.py:Consistency"; other texts as they are."""
    return text.rpartition(":")[2] if is_own(text) else text


def own_part(text, flag):
    """The object that `module:NAME` or `file.py:NAME` names.

    The file's folder comes last in the places where Python looks for modules, so that
    the file may import others beside it. Its code runs: it is the user's own.

    Raises:
        ValueError: no such file, module or name in it; what the file itself raises as
            it is imported, with the line.
    """
    place, _, name = text.rpartition(":")
    module = _module(place, flag)
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise ValueError(
            f"{flag}: {place} has no {name}. Expected one of {', '.join(public)}."
        )
    return getattr(module, name)


class ByReference:
    """A function of the user's own that is pickled by its text, for the processes that
    make batches: no module of that name is to be found there.

    Attributes:
        part: the object.
    """

    def __init__(self, text, flag):
        self._arguments = text, flag
        self.part = own_part(text, flag)

    def __reduce__(self):
        return own_part, self._arguments

    def __call__(self, *args, **kwargs):
        return self.part(*args, **kwargs)


def without_folder(text):
    """The text with the file's name alone: how it is called in a run's settings,
    however its path was written."""
    place, _, name = text.rpartition(":")
    if not place.endswith(".py"):
        return text
    return f"{pathlib.Path(place).name}:{name}"


def hashes_of(texts):
    """Text -> SHA-256 of its file, for those that are a user's own parts. Modules that
    the file imports are not looked at.

    Raises:
        ValueError: there is no such file.
    """
    return {
        without_folder(text): hashlib.sha256(_file(text).read_bytes()).hexdigest()
        for text in sorted({t for t in texts if is_own(t)})
    }


def keep_copies(texts, folder):
    """Copies the files of parts into a folder, so that a run keeps what made it. Of two
    with one name the second gets its hash before its own."""
    for file in sorted({_file(text).resolve() for text in texts if is_own(text)}):
        folder.mkdir(exist_ok=True)
        content, target = file.read_bytes(), folder / file.name
        if target.exists() and target.read_bytes() != content:
            digest = hashlib.sha256(content).hexdigest()[:12]
            target = folder / f"{digest}_{file.name}"
        with atomic_write(target) as temporary:
            temporary.write_bytes(content)


def _module(place, flag):
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except Exception as error:
            missing = getattr(error, "name", None)
            if isinstance(error, ModuleNotFoundError) and (
                place == missing or place.startswith(f"{missing}.")
            ):
                raise ValueError(
                    f"{flag}: no module {place}. Expected module:NAME, or "
                    "path/to/file.py:NAME."
                ) from None
            raise ValueError(
                f"{flag}: module {place} raises {type(error).__name__}: {error}"
            ) from error
    path = pathlib.Path(place).resolve()
    if not path.is_file():
        raise ValueError(f"{flag}: no file {place}. Expected path/to/file.py:NAME.")
    return _of_file(path, flag)


def _of_file(path, flag):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return _imported(path, digest, flag)


@functools.cache
def _imported(path, digest, flag):
    """The module of a file, once: two flags that name it get the same classes."""
    name = f"kerasfer_own_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        line = _line_in(path, error)
        raise ValueError(
            f"{flag}: {path}{line} raises {type(error).__name__}: {error}"
        ) from error
    return module


def _line_in(path, error):
    trace, line = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f", line {trace.tb_lineno},"
        trace = trace.tb_next
    return line


def _file(text):
    place = text.rpartition(":")[0]
    if not place.endswith(".py"):
        return pathlib.Path(_module(place, "module:NAME").__file__)
    if not pathlib.Path(place).is_file():
        raise ValueError(f"No file {place}. Expected path/to/file.py:NAME.")
    return pathlib.Path(place)
