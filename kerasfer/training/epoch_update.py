"""Work of schemes and plug-ins at the end of an epoch."""

import keras

from kerasfer.types import Dataset


class EpochUpdate(keras.callbacks.Callback):
    """Lets the scheme and its plug-ins work at the end of each epoch.

    Class centroids, confidence margins and thresholds are measured then, on images
    without augmentation: by the averaged weights for Margin-Mix, Ada-CM and ReMoP, by
    the online weights for the large margin, Adsh and InPL. What was in force during the
    epoch (`model.epoch_logs`) is added to its logs, for the callbacks after this one
    and the history.

    Args:
        labeled: data set of (image, label), `evaluation_dataset(split.labeled)`.
        unlabeled: the same of the unlabelled faces, for what asks for it.

    >>> model.fit(data, steps_per_epoch=100,
    ...           callbacks=[EpochUpdate(evaluation_dataset(split.labeled))])
    """

    def __init__(self, labeled: Dataset, unlabeled: Dataset | None = None) -> None:
        super().__init__()
        self.labeled, self.unlabeled = labeled, unlabeled

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs is not None:
            logs.update(self.model.epoch_logs())
        self.model.epoch_end(self.labeled, self.unlabeled)
        for plug_in in self.model.plug_ins:
            plug_in.epoch_end(self.model, self.labeled, self.unlabeled)
