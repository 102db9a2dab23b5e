"""YAML of users and of run folders."""

import yaml

_MOST_NODES = 100_000


class _Loader(yaml.SafeLoader):
    """Counts a text's values as if its aliases were written out, and refuses too many:
    fifty lines, each of the one before twice, are 2^50."""

    def __init__(self, text):
        super().__init__(text)
        self._sizes = {}

    def compose_document(self):
        node = super().compose_document()
        if self._size(node) > _MOST_NODES:
            raise yaml.YAMLError(f"more than {_MOST_NODES} values, aliases written out")
        return node

    def _size(self, node):
        if id(node) not in self._sizes:
            self._sizes[id(node)] = _MOST_NODES + 1  # of a list that holds itself
            inner = []
            if isinstance(node, yaml.SequenceNode):
                inner = node.value
            elif isinstance(node, yaml.MappingNode):
                inner = [part for pair in node.value for part in pair]
            self._sizes[id(node)] = 1 + sum(map(self._size, inner))
        return self._sizes[id(node)]


def read_yaml(text):
    """What a text in YAML says: numbers, texts, lists and dicts.

    Raises:
        yaml.YAMLError: it is none, or a bomb.

    >>> read_yaml("epochs: 5")
    {'epochs': 5}
    """
    # A SafeLoader.
    return yaml.load(text, _Loader)  # nosec B506
