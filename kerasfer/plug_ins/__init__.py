"""Plug-ins: what can be added to any scheme, each with its own state."""

from kerasfer.plug_ins.base import PlugIn

__all__ = ["PlugIn"]
