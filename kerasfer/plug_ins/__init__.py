"""Plug-ins: what can be added to any scheme, each with its own state."""

from kerasfer.plug_ins.base import PlugIn
from kerasfer.plug_ins.remop import ReMoP

__all__ = ["PlugIn", "ReMoP"]
