"""State of schemes and plug-ins: weights that no gradient moves."""

from kerasfer._compat import add_state

__all__ = ["add_state"]
