"""Margin losses to centroids that move with each batch, as state."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.layers.centroids import ClassCentroids
from kerasfer.losses.margin import center_loss, large_margin_loss, unit
from kerasfer.schedules import linear_decay
from kerasfer.types import Tensor

MARGIN_LOSSES = ("large_margin", "center", "island")
BALANCED = "balanced"
_BALANCE = 0.8  # lambda_1 L_S ~ 0.8 lambda_2 L_M
_LOWEST_WEIGHT, _HIGHEST_WEIGHT = 0.01, 10.0


class ClassMargin(keras.layers.Layer):
    """A margin loss, the centroids it goes to, and its weight.

    | `loss`         | of a face                         | centroids step by         |
    |----------------|-----------------------------------|---------------------------|
    | "large_margin" | D_y - mean of the other D_k       | their faces               |
    | "center"       | 1/2 squared distance f to c_y     | their faces               |
    | "island"       | the same                          | and away from each other  |

    (`kerasfer.losses.large_margin_loss`, `center_loss`, `island_loss`). The island
    loss' penalty on pairs of centroids has no gradient in a face's embedding: it acts
    through `kerasfer.layers.ClassCentroids.stepped`, and its value is not in the loss.

    *The weight* is lambda_2 w(t), w falling linearly from 1 to `final_weight`. The
    paper chooses lambda_1 L_S ~ 0.8 lambda_2 L_M. Near the start L_M is about 0 and
    then negative, so that this has no solution; `balance` takes L_M less its lowest
    value: lambda_2 = L_S / (0.8 (L_M + 2)), + 4 where `squared`, within [0.01, 10],
    once, from means over the labelled faces at the end of the first epoch. The center
    losses' lowest value is 0: for them it is the rule as printed.

    Source: Racoviteanu et al., BMVC 2019, Eq. 1-4 and section 4.2. Its centroids are
    means over everything with a label, "updated in each iteration"; these are running
    ones (Wen et al., ECCV 2016), as its text on the center loss has it.

    Attributes:
        centroids: `ClassCentroids`.
        weight: float32 (), lambda_2.
        started: float32 () in {0, 1}; before the first centroids nothing is learned.

    Args:
        loss: "large_margin", "center" or "island".
        num_classes, width: of the centroids.
        weight: "balanced", or a number >= 0.
        final_weight: w at the end of the run; 1 keeps the weight.
        rate: of the centroids' steps, in [0, 1]. 0.5 is that of the center loss.
        pair_weight: lambda_1 of the island loss, >= 0. 10 is that of a
            public implementation.
        squared: squared distances in the large margin.

    Raises:
        ValueError: another loss, or a number out of its range.

    >>> margin = ClassMargin("large_margin", num_classes=2, width=2)
    >>> margin.start(sums=[[2.0, 0.0], [0.0, 1.0]], counts=[2.0, 1.0])
    >>> margin.loss_of([[1.0, 0.0]], [0])  # [0 - sqrt(2)]
    """

    def __init__(
        self,
        loss: str,
        num_classes: int,
        width: int,
        weight: float | str = BALANCED,
        final_weight: float = 1.0,
        rate: float = 0.5,
        pair_weight: float = 10.0,
        squared: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        _check(loss, weight, final_weight, rate, pair_weight)
        self.loss, self.rate, self.squared = loss, rate, squared
        self.final_weight = final_weight
        self.pair_weight = pair_weight if loss == "island" else 0.0
        self.balanced = weight == BALANCED
        self.centroids = ClassCentroids(num_classes, width, name="centroids")
        first = keras.initializers.Constant(1.0 if self.balanced else weight)
        self.weight = add_state(self, "weight", (), first)
        self.started = add_state(self, "started", ())
        # Where the centroids stood at the end of the epoch before.
        self.previous = add_state(self, "previous", (num_classes, width))
        self.built = True

    def loss_of(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of each face, 0 where its class has no centroid yet.

        Args:
            embeddings: float (batch, width).
            labels: int (batch,), class indices.

        Returns:
            float32 (batch,), without the weight.
        """
        centroids = tf.stop_gradient(tf.convert_to_tensor(self.centroids.centroids))
        known = tf.convert_to_tensor(self.centroids.known)
        if self.loss == "large_margin":
            return large_margin_loss(labels, embeddings, centroids, known, self.squared)
        own = tf.gather(known, labels)
        return 0.5 * own * center_loss(labels, embeddings, centroids)

    def factor(self, progress: Tensor) -> Tensor:
        """lambda_2 w(t), or 0 before the first centroids; t is the run's progress."""
        weight = tf.convert_to_tensor(self.started) * self.weight
        return weight * linear_decay(progress, self.final_weight)

    def logs(self, progress: Tensor) -> dict[str, float]:
        """The weight in force, and `shift`, of the epoch that ends."""
        return {
            "margin_weight": float(self.factor(progress)),
            "centroid_shift": float(self.shift()),
        }

    def moved(self, embeddings: Tensor, labels: Tensor, counted: Tensor) -> tuple:
        """The centroids after a batch, for the frame to apply; see `stepped`.

        Args:
            embeddings, labels: as for `loss_of`.
            counted: float (batch,) in [0, 1]; 0 leaves a face out.

        Returns:
            ((variable, new value), ...).
        """
        counted = counted * tf.convert_to_tensor(self.started)
        memberships = tf.one_hot(labels, self.previous.shape[0]) * counted[:, None]
        return self.centroids.stepped(
            embeddings, memberships, self.rate, self.pair_weight
        )

    def start(self, sums: Tensor, counts: Tensor) -> None:
        """Sets the first centroids: sums / counts, float (num_classes, width), (...,).

        Nothing starts if all counts are 0.
        """
        sums, counts = tf.cast(sums, tf.float32), tf.cast(counts, tf.float32)
        self.centroids.set_means(sums, counts)
        self.started.assign(tf.reduce_max(tf.convert_to_tensor(self.centroids.known)))
        self.record()

    def balance(self, supervised: Tensor, margin: Tensor) -> None:
        """Sets a balanced weight, from the mean L_S and the mean L_M of some faces."""
        if not self.balanced:
            return
        above = float(margin) - self.lowest_loss
        ratio = float(supervised) / (_BALANCE * max(above, 1e-6))
        self.weight.assign(min(max(ratio, _LOWEST_WEIGHT), _HIGHEST_WEIGHT))

    @property
    def lowest_loss(self) -> float:
        """The lowest possible value of the loss."""
        if self.loss != "large_margin":
            return 0.0
        return -4.0 if self.squared else -2.0

    def shift(self) -> float:
        """How far the known centroids' directions went since `record`, on average.

        In [0, 2]; NaN before the first centroids.
        """
        known = tf.convert_to_tensor(self.centroids.known)
        now, then = map(tf.convert_to_tensor, (self.centroids.centroids, self.previous))
        lengths = tf.norm(unit(now) - unit(then), axis=-1)
        return tf.reduce_sum(lengths * known) / tf.reduce_sum(known)

    def record(self) -> None:
        """Remembers where the centroids stand, for `shift`."""
        self.previous.assign(tf.convert_to_tensor(self.centroids.centroids))


def _check(loss, weight, final_weight, rate, pair_weight):
    if loss not in MARGIN_LOSSES:
        raise ValueError(
            f"`margin_loss` must be one of {', '.join(MARGIN_LOSSES)}. Received: "
            f"{loss!r}."
        )
    number = 0.0 if weight == BALANCED else weight
    if not isinstance(number, (int, float)) or number < 0:
        raise ValueError(
            f'`margin_weight` must be "balanced" or at least 0. Received: {weight!r}.'
        )
    if min(final_weight, pair_weight) < 0 or not 0 <= rate <= 1:
        raise ValueError(
            "Expected final_weight and pair_weight of at least 0 and centroid_rate in "
            f"[0, 1]. Received: {final_weight}, {pair_weight} and {rate}."
        )
