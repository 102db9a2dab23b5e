"""Plug-ins: what can be added to schemes, each with its own state."""

from kerasfer.plug_ins.abc import ABC
from kerasfer.plug_ins.adsh import Adsh
from kerasfer.plug_ins.inpl import InPL
from kerasfer.plug_ins.remop import ReMoP

__all__ = ["ABC", "Adsh", "InPL", "ReMoP"]
