"""What is learned: expressions or action units; data, metrics, results of each."""

from kerasfer.experiments.tasks import action_units, expressions

__all__ = ["action_units", "expressions"]
