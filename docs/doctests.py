"""Examples of docstrings as code on the site, whatever section they stand in."""

import re

import griffe

_EXAMPLE = re.compile(r"(?m)^>>> (?:.+\n?)+")


class Doctests(griffe.Extension):
    """Fences each run of lines that begins with >>>."""

    def on_object(self, *, obj, **kwargs):
        """Of a module, class or function, once its docstring is read."""
        if obj.docstring:
            text = obj.docstring.value
            obj.docstring.value = _EXAMPLE.sub(
                lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text
            )
