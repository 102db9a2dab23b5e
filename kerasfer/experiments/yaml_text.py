"""YAML of users and of run folders."""

import yaml

_MOST_ALIASES = 100


class _Loader(yaml.SafeLoader):
    """Refuses a text whose aliases, each of the ones before, would be endless."""

    def __init__(self, text):
        super().__init__(text)
        self._aliases = 0

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > _MOST_ALIASES:
                raise yaml.YAMLError(f"more than {_MOST_ALIASES} aliases (`*name`)")
        return super().compose_node(parent, index)


def read_yaml(text):
    """What a text in YAML says: numbers, texts, lists and dicts.

    Raises:
        yaml.YAMLError: it is none, or a bomb.

    >>> read_yaml("epochs: 5")
    {'epochs': 5}
    """
    # A SafeLoader.
    return yaml.load(text, _Loader)  # nosec B506
