"""Rules that pick the epoch whose test scores are reported.

The best epoch on validation faces is the rule; others stand beside it. The best on the
test set picks by what it reports: it is there to compare with papers that do so.
"""

import csv
import statistics
from typing import Literal

from kerasfer.experiments import cross_data
from kerasfer.safe_write import atomic_write

Selection = Literal["last", "mean_last", "best_test"]


class TestScores:
    """Test scores of the epochs that the rules ask for.

    They never enter the logs, so that nothing can be chosen by them in training.

    Args:
        rules: of `Selection`.
        epochs: of the run.
        last_epochs: how many "mean_last" is over.
        scores: () -> name -> test score of the model as it is.
        tests: other data sets, name -> hash. A run that goes on forgets the scores of
            one that was corrected, and has none of one that is new of earlier epochs.
    """

    __test__ = False  # no test class, whatever pytest thinks of the name

    def __init__(self, rules, epochs, last_epochs, scores, tests=None):
        self.rules, self.epochs, self.scores = rules, epochs, scores
        self.last_epochs = min(last_epochs, epochs)
        self.tests, self.by_epoch = tests or {}, {}

    def get_state(self):
        return {"tests": self.tests, "by_epoch": list(self.by_epoch.items())}

    def set_state(self, state):
        self.by_epoch = dict(map(tuple, state["by_epoch"]))
        for name, digest in state["tests"].items():
            if self.tests.get(name) != digest:
                for epoch, scores in self.by_epoch.items():
                    self.by_epoch[epoch] = cross_data.without(scores, name)

    def callback(self):
        import keras

        def measure(epoch, logs=None):
            if self._is_asked(epoch + 1):
                self.by_epoch[epoch + 1] = self.scores()

        return keras.callbacks.LambdaCallback(on_epoch_end=measure)

    def _is_asked(self, epoch):
        if "best_test" in self.rules:
            return True
        if "mean_last" in self.rules and epoch > self.epochs - self.last_epochs:
            return True
        return "last" in self.rules and epoch == self.epochs

    def selected(self, score):
        """Rule -> its scores, with its epoch.

        Args:
            score: name of the one that "best_test" is best in; the first such epoch.
        """
        by_epoch, found = self.by_epoch, {}
        if "last" in self.rules:
            found["last"] = {"epoch": self.epochs, **by_epoch[self.epochs]}
        if "mean_last" in self.rules:
            last = [by_epoch[e] for e in sorted(by_epoch)[-self.last_epochs :]]
            means = {
                name: _mean([scores.get(name) for scores in last]) for name in last[-1]
            }
            found["mean_last"] = {"epochs": self.last_epochs, **means}
        if "best_test" in self.rules:
            best = max(by_epoch, key=lambda epoch: (by_epoch[epoch][score], -epoch))
            found["best_test"] = {"epoch": best, **by_epoch[best]}
        return found

    def write(self, path):
        """A row an epoch, for the record of a rule that looks at the test set."""
        if not self.by_epoch:
            return
        with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
            names = {name: None for s in self.by_epoch.values() for name in s}
            writer = csv.DictWriter(file, ["epoch", *names])
            writer.writeheader()
            for epoch, scores in self.by_epoch.items():
                writer.writerow({"epoch": epoch, **scores})


def _mean(values):
    return None if None in values else statistics.fmean(values)
