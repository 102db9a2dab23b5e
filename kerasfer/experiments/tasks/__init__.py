"""What is learned: expressions or action units; data, metrics, results of each."""

from kerasfer.experiments.tasks.action_units import ActionUnits
from kerasfer.experiments.tasks.expressions import Expressions
from kerasfer.experiments.tasks.task import Task

__all__ = ["ActionUnits", "Expressions", "Task"]
