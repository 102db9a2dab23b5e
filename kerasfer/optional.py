"""Packages that only some uses need, imported when they are used."""

import importlib


def require(name, use, install):
    """A package, imported.

    Args:
        name: of the module.
        use: what it is for, the subject of the error's sentence.
        install: what pip is to install.

    Raises:
        ImportError: it is not installed; with how to get it.

    >>> require("json", "Reading JSON", "python").loads("[1]")
    [1]
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{use} needs a package that is not here ({error}). Install it: pip "
            f"install {install}"
        ) from None
