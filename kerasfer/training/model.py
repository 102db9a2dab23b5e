"""The frame that every scheme shares."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer._compat import add_state, scale_loss, unscale_gradients
from kerasfer.augment.views import VIEWS, WEAK_VIEWS
from kerasfer.losses import supervised_loss as loss_of
from kerasfer.losses.reductions import num_replicas
from kerasfer.metrics import (
    PseudoLabelQuality,
    UnloggedConfusionMatrix,
    all_on_classes,
    result_names,
)
from kerasfer.schedules import averaging_decay
from kerasfer.targets import hard_pseudo_labels
from kerasfer.training.averaging import move_average
from kerasfer.training.checks import (
    check_classifier,
    check_shares,
    check_targets,
    length_of,
    require_at_least,
    unpacked,
)
from kerasfer.training.copies import copy_of
from kerasfer.training.epoch_update import EpochUpdate
from kerasfer.training.fit import CLASSES, check_fit
from kerasfer.training.layer_rates import LayerRates
from kerasfer.training.mistakes import (
    Entries,
    check_losses,
    check_step,
    check_supervised,
)
from kerasfer.training.non_finite import StopOnNonFiniteLoss
from kerasfer.training.overflow import all_finite, restore_unless, statistics_of
from kerasfer.training.own_outputs import confidences, own_outputs, predictions
from kerasfer.training.read_order import reads_before_writes
from kerasfer.training.replicas import ReplicatedModel
from kerasfer.training.sample_weights import SampleWeights
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Dataset, Tensor

# What a scheme may override; everything else of the frame is final.
_OPEN = ("__init__", "scheme_step", "select", "thresholds", "epoch_end", "epoch_logs")
_FINAL = set()  # filled below the class


class SemiSupervisedModel(ReplicatedModel):
    """Base class of all schemes: gradients, precision, replicas, EMA, logs.

    A scheme names its `views` and `loss_weights` and writes one method, `scheme_step`:

    >>> class Supervised(SemiSupervisedModel):
    ...     loss_weights = {"supervised": 1.0}
    ...     def scheme_step(self, batch, labels):
    ...         outputs = {"image": self.forward(batch["image"])}
    ...         loss = batch_mean(self.supervised_loss(labels, outputs["image"]))
    ...         return Step({"supervised": loss}, labels, outputs)

    `compile(optimizer, metrics=...)` takes no loss; metrics read `probs`. `fit` takes
    the batches of `kerasfer.data.training_dataset(..., views=model.all_views)`.
    `predict`, `evaluate` and validation use the EMA model, where there is one.
    `val_loss` is the supervised loss.

    Logged: `loss`, and each part as `<name>_loss` before its weight; if the scheme
    makes pseudo-labels, `mask_rate`, and with "audit_label" in the batch
    `pseudo_label_accuracy`; what `epoch_logs` says; and what plug-ins measure.

    Weights are saved by `save_weights`; the trained classifier, `inference_classifier`,
    is an ordinary Keras model.

    Args:
        classifier: functional model from images to "embedding", "logits" and "probs",
            as `kerasfer.build_classifier` makes it.
        plug_ins: sequence of `PlugIn`.
        loss_weights: name -> weight, changes some of the scheme's.
        preset_weights: those of a scheme's preset, in place of the class's.
        supervised_loss: unreduced function (labels, outputs) -> (batch,), a
            `keras.losses.Loss`, or a name, see `kerasfer.losses.supervised_loss`.
        ema_decay: of the EMA model, in [0, 1); 0 keeps no copy.
        ema_warmup: whether the decay starts at min(ema_decay, (1 + t) / (10 + t)), so
            that the copy leaves its start; the papers' codes do without.
        ema_statistics: whether the copy averages the running statistics of batch
            normalisation too (MixMatch for PyTorch, Ada-CM, ReMoP) or takes them from
            the classifier as they are (TorchSSL, USB).
        weak_training: whether the weak views of unlabelled faces are forwarded in
            training mode, with dropout and batch statistics, moving the running ones
            (as Ada-CM and ReMoP do); else in inference mode, which moves nothing.
        first_layer_rate: of the classifier's first layer, over the learning rate, in
            (0, 1]; layers between it and the last have rates between. For pretrained
            networks, on one device.
        num_pseudo_classes: of pseudo-labels; None is the classifier's.

    Raises:
        ValueError: outputs missing in the classifier, a loss weight for no loss, or a
            plug-in that needs what the scheme does not offer.
    """

    views: Any = ()  # names, or a property that gives them
    loss_weights: dict[str, float] = {}
    # What plug-ins may need, see `kerasfer.training.fit`.
    offers: tuple[str, ...] = (CLASSES,)
    # Whether labelled faces must be drawn as they occur, not balanced by class.
    draws_of_the_set = False
    threshold: Any = None  # of pseudo-labels, in a scheme that has one for all classes

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        changed = sorted(_FINAL & vars(cls).keys())
        if changed:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(changed)}, which all schemes "
                f"share. Expected a scheme to override only {', '.join(_OPEN)}; give "
                "helpers of its own other names."
            )

    def __init__(
        self,
        classifier: Classifier,
        plug_ins: Sequence[Any] = (),
        loss_weights: dict[str, float] | None = None,
        preset_weights: dict[str, float] | None = None,
        supervised_loss: Any = "cross_entropy",
        ema_decay: float = 0.999,
        ema_warmup: bool = True,
        ema_statistics: bool = True,
        weak_training: bool = True,
        first_layer_rate: float = 1.0,
        num_pseudo_classes: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_classifier(classifier)
        for plug_in in plug_ins:
            check_fit(type(self), plug_in)
        # Keras scales the loss by this model's own policy, not by the classifier's.
        super().__init__(**{"dtype": classifier.dtype_policy.name, **kwargs})
        for plug_in in plug_ins:
            classifier = plug_in.attach(classifier)
        self.classifier, self.plug_ins = classifier, list(plug_ins)
        self.loss_function, self.weak_training = loss_of(supervised_loss), weak_training
        self.sample_weights = SampleWeights()
        self.layer_rates = LayerRates(classifier, first_layer_rate)
        self.ema_decay, self.ema_warmup = ema_decay, ema_warmup
        self.ema_classifier: Any = copy_of(classifier) if ema_decay else None
        self.not_averaged = {id(v) for p in plug_ins for v in p.not_averaged}
        if not ema_statistics:
            self.not_averaged |= {id(v) for v in classifier.non_trainable_variables}
        self.weights_of_losses = self._merge_loss_weights(
            preset_weights or {}, loss_weights or {}
        )
        self.loss_trackers = {
            name: keras.metrics.Mean(name="loss" if name == "total" else f"{name}_loss")
            for name in ("total", *self.weights_of_losses)
        }
        num_outputs = classifier.output["probs"].shape[-1]
        self.pseudo_label_quality = PseudoLabelQuality(
            num_pseudo_classes or num_outputs
        )
        self.test_confusion = UnloggedConfusionMatrix(
            num_outputs, name="test_confusion"
        )
        self.steps_done = add_state(self, "steps_done", ())
        self.steps_of_run = add_state(self, "steps_of_run", ())
        self.built = True  # else weights could not be saved before an evaluation

    # --- what a scheme writes ---------------------------------------------------------

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        """The scheme: losses and outputs of a batch, as a `Step`."""
        raise NotImplementedError

    def epoch_end(self, labeled: Dataset, unlabeled: Dataset | None) -> None:
        """Work of the scheme at the end of an epoch; by default none."""

    def epoch_logs(self) -> dict[str, float]:
        """Name -> number to log of the epoch that ends, before `epoch_end`."""
        return {}

    def thresholds(self) -> Tensor | float | None:
        """The confidence from which a pseudo-label passes now, a number or one per
        class; None where selection works otherwise. By default `threshold`."""
        return self.threshold

    def select(self, scores: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
        """The selection rule: pseudo-labels of a batch, and how much each counts.

        Args:
            scores: float (unlabeled_batch, num_classes), what confidence is read from.
            thresholds: `thresholds()`, or what `pseudo_labels` was given instead.

        Returns:
            labels, int (unlabeled_batch,), and mask, float in [0, 1]; by default the
            argmax, kept where its score reaches its threshold.
        """
        return hard_pseudo_labels(scores, thresholds)

    # --- what a scheme uses -----------------------------------------------------------

    # The scheme gets its own `probs`, also where a plug-in predicts by other ones.

    def supervised_loss(self, labels: Tensor, outputs: dict[str, Tensor]) -> Tensor:
        """The supervised loss (batch,) of labelled faces, times their weights where
        `fit` was given some.

        Args:
            labels: the step's, or rows made of them.
            outputs: of the classifier on these faces.
        """
        losses = self.loss_function(labels, outputs)
        check_supervised(losses, labels)
        return self.sample_weights.applied(labels, losses, type(self).__name__)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of the classifier in training mode."""
        return own_outputs(self.classifier(images, training=True))

    def forward_weak(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of the classifier in the mode that `weak_training` says."""
        return own_outputs(self.classifier(images, training=self.weak_training))

    def ema_forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of the EMA model in training mode, constants for the gradient."""
        return _constants(own_outputs(self.ema_classifier(images, training=True)))

    def measure(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of `inference_classifier` in inference mode, constants for the
        gradient."""
        return _constants(own_outputs(self._outputs(images, True)))

    def infer_own(self, images: Tensor, averaged: bool = True) -> dict[str, Tensor]:
        """As `infer`, with the scheme's own `probs`: for the work at an epoch's end."""
        return own_outputs(self.infer(images, averaged))

    def pseudo_labels(
        self, weak: dict[str, Tensor], thresholds: Tensor | None = None
    ) -> Pseudo:
        """A `Pseudo` by `select`, or as plug-ins in turn select instead.

        Args:
            weak: outputs on the weak view.
            thresholds: of this step, where they are not `thresholds()`.
        """
        limits = self.thresholds() if thresholds is None else thresholds
        rule = functools.partial(self.select, thresholds=limits)
        for plug_in in self.plug_ins:
            rule = functools.partial(plug_in.select, weak, rule)
        read = confidences(weak)
        confidence = tf.reduce_max(tf.stop_gradient(read), -1)
        return Pseudo(*rule(read), confidence)

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Logits that learn pseudo-labels, as plug-ins in turn adjust them."""
        for plug_in in self.plug_ins:
            logits = plug_in.adjust_logits(logits)
        return logits

    def progress(self) -> Tensor:
        """Fraction of the run that is done, in [0, 1]; 1 outside of `fit`."""
        done = tf.convert_to_tensor(self.steps_done)
        total = tf.convert_to_tensor(self.steps_of_run)
        return tf.where(total > 0, tf.minimum(done / tf.maximum(total, 1.0), 1.0), 1.0)

    # --- what a user uses -------------------------------------------------------------

    @property
    def all_views(self) -> tuple[str, ...]:
        """Entries of the batch that the scheme and its plug-ins read."""
        views = [*self.views]
        for plug_in in self.plug_ins:
            views += [view for view in plug_in.views if view not in views]
        return tuple(views)

    def current_thresholds(self) -> Tensor | float | None:
        """`thresholds()`, as plug-ins in turn adjust them."""
        thresholds = self.thresholds()
        for plug_in in self.plug_ins:
            thresholds = plug_in.adjust_thresholds(thresholds)
        return thresholds

    @property
    def inference_classifier(self) -> Classifier:
        """The classifier to evaluate and ship: the EMA model, if there is one."""
        return self.classifier if self.ema_classifier is None else self.ema_classifier

    @property
    def needs_epoch_update(self) -> bool:
        """Whether `fit` needs the callback `EpochUpdate`."""
        return type(self).epoch_end is not SemiSupervisedModel.epoch_end or any(
            plug_in.needs_epoch_update for plug_in in self.plug_ins
        )

    @property
    def trainable_variables(self) -> list:
        """Those of the classifier and the plug-ins, not of the EMA model."""
        variables = list(self.classifier.trainable_variables)
        for plug_in in self.plug_ins:
            for variable in plug_in.trainable_variables:
                if not any(variable is known for known in variables):
                    variables.append(variable)
        return variables

    @property
    def trainable_weights(self) -> list:
        return self.trainable_variables

    def compile(
        self,
        optimizer: Any = "adam",
        metrics: Sequence[Any] | None = None,
        jit_compile: bool = False,
        weighted_metrics: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, without a loss.

        Metrics that want a column a class, such as `keras.metrics.F1Score`, `AUC` and
        `TopKCategoricalAccuracy`, are given one, where labels are class indices.

        Raises:
            ValueError: `loss` is given; the scheme's losses are its own, the supervised
                one is the constructor's `supervised_loss`.
        """
        if kwargs.get("loss") is not None:
            raise ValueError(
                "`compile` takes no loss: a scheme brings its own. To change the "
                "supervised one, give `supervised_loss` to the constructor."
            )
        super().compile(
            optimizer=optimizer,
            metrics=all_on_classes(metrics),
            weighted_metrics=all_on_classes(weighted_metrics),
            jit_compile=jit_compile,
            **kwargs,
        )

    def fit(
        self,
        x: Any,
        *,
        epochs: int = 1,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        callbacks: Sequence[Any] = (),
        **kwargs: Any,
    ) -> Any:
        """As `keras.Model.fit` on a data set of batches, with checks.

        A loss that is not finite stops the run with an error. Steps are compiled so
        that they read variables before they assign them (`read_order`); a loop of one's
        own around `train_on_batch` needs the same.

        Raises:
            ValueError: an endless data set without `steps_per_epoch`; the scheme needs
                the callback `EpochUpdate` and it is missing; or batches that replicas
                cannot share evenly, whose means would not be those of one device.
        """
        check_shares(x, self.distribute_strategy.num_replicas_in_sync)
        self.layer_rates.check(self.distribute_strategy.num_replicas_in_sync)
        check_targets(x, self.classifier.output["probs"].shape[-1])
        steps = steps_per_epoch or length_of(x)
        callbacks = list(callbacks or ())
        if self.needs_epoch_update and not any(
            isinstance(callback, EpochUpdate) for callback in callbacks
        ):
            raise ValueError(
                f"{type(self).__name__}, or a plug-in of it, works at the end of each "
                "epoch. Add kerasfer.callbacks.EpochUpdate(evaluation_dataset("
                "split.labeled)) to `callbacks`."
            )
        run = max(0, epochs - initial_epoch) * (steps or 0)
        self.steps_of_run.assign(tf.convert_to_tensor(self.steps_done) + float(run))
        kwargs.setdefault("shuffle", False)  # the data set is shuffled; Keras warns
        with reads_before_writes():
            return super().fit(
                x,
                epochs=epochs,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                callbacks=[StopOnNonFiniteLoss(), *callbacks],
                **kwargs,
            )

    def infer(self, images: Tensor, averaged: bool = True) -> dict[str, Tensor]:
        """Outputs in inference mode, in a compiled graph, of `inference_classifier` or,
        with `averaged=False`, of the classifier that is trained."""
        return self._infer(images, averaged)

    @functools.cached_property
    def _infer(self):
        # A partial has no code that TensorFlow knows it by: else it takes the graphs of
        # several models for one that is traced again and again, and warns.
        return tf.function(functools.partial(self._outputs), reduce_retracing=True)

    def _outputs(self, images, averaged):
        classifier = self.inference_classifier if averaged else self.classifier
        return classifier(images, training=False)

    # --- what Keras calls -------------------------------------------------------------

    def call(self, inputs: Any, training: bool = False) -> Any:
        images = inputs["image"] if isinstance(inputs, dict) else inputs
        classifier = self.classifier if training else self.inference_classifier
        return classifier(images, training=training)["probs"]

    def train_step(self, data: Any) -> dict:
        batch, labels, weights = unpacked(data)
        statistics = statistics_of(self.classifier, self.ema_classifier)
        name = type(self).__name__
        with (
            tf.GradientTape() as tape,
            self.sample_weights.of(labels, weights, name),
        ):
            step = self._whole_step(Entries.of(batch, name), labels)
            parts = self._loss_parts(step)
            total = tf.add_n(
                [
                    self.weights_of_losses[name] * tf.cast(value, tf.float32)
                    for name, value in parts.items()
                ]
            )
            # Keras divides only losses it compiled by the number of replicas.
            scaled = scale_loss(self.optimizer, total / num_replicas())
        variables = self.trainable_variables
        gradients = tape.gradient(scaled, variables)
        finite = all_finite(gradients)
        gradients = unscale_gradients(self.optimizer, gradients)
        before = self.layer_rates.before()
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.layer_rates.scale_steps(before)
        restore_unless(finite, statistics)
        self._assign_updates(step, finite)
        self._update_average(finite)
        self.steps_done.assign_add(1.0)
        self.loss_trackers["total"].update_state(total)
        for name, value in parts.items():
            self.loss_trackers[name].update_state(value)
        unseen = self._observe(step, batch.get("audit_label"))
        probs = predictions(step.outputs["image"])
        logs = self.compute_metrics(batch["image"], labels, probs, weights)
        return _without(logs, unseen)

    def test_step(self, data: Any) -> dict:
        images, labels, weights = unpacked(data)
        outputs = self.inference_classifier(images, training=False)
        # Face by face: a last batch, or a replica's part of it, may have fewer.
        losses = self.loss_function(labels, outputs)
        check_supervised(losses, labels)
        weights = None if weights is None else tf.reshape(weights, (-1,))
        self.loss_trackers["total"].update_state(losses, weights)
        for plug_in in self.plug_ins:
            plug_in.observe_test(labels, outputs)
        if labels.shape.rank == 1:  # classes, not action units
            self.test_confusion.update_state(labels, outputs["probs"])
        logs = self.compute_metrics(images, labels, outputs["probs"], weights)
        trackers = [t for name, t in self.loss_trackers.items() if name != "total"]
        of_training = [*trackers, self.pseudo_label_quality]
        of_training += [m for p in self.plug_ins for m in p.train_metrics]
        return _without(logs, result_names(of_training))

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves `inference_classifier`, as `ModelCheckpoint` asks for: what is shipped.

        To go on training, use `save_weights`.
        """
        self.inference_classifier.save(filepath, overwrite=overwrite, **kwargs)

    def get_config(self) -> dict:
        """Not there: a scheme is not saved whole, see `save`.

        Raises:
            NotImplementedError: always, so that no other function of Keras can write a
                file that nothing could load.
        """
        raise NotImplementedError(
            "A scheme is not saved whole. Use `model.save_weights(path)` to go on "
            "training, `model.save(path)` to keep the classifier."
        )

    # --- inner parts ------------------------------------------------------------------

    def _whole_step(self, batch, labels):
        """The scheme's step, with the views that plug-ins read beyond it."""
        step = self.scheme_step(batch, labels)
        check_step(step, type(self).__name__)
        outputs = dict(step.outputs)
        for view in [view for plug_in in self.plug_ins for view in plug_in.views]:
            if view in VIEWS and view not in outputs:
                weak = view in WEAK_VIEWS
                forward = self.forward_weak if weak else self.forward
                outputs[view] = forward(batch[view])
        return step._replace(outputs=outputs, batch=batch, progress=self.progress())

    def _merge_loss_weights(self, preset, changed):
        weights = {**type(self).loss_weights, **preset}
        if self.classifier.losses:
            weights["penalty"] = 1.0
        for plug_in in self.plug_ins:
            for name, factor in plug_in.factors_on(type(self)).items():
                if name in weights:
                    weights[name] *= factor
            weights.update(plug_in.loss_weights)
        unknown = set(changed) - set(weights)
        if unknown:
            raise ValueError(
                f"Weights for losses that do not exist: {', '.join(sorted(unknown))}. "
                f"Expected some of {', '.join(weights)}."
            )
        require_at_least(0, **changed)
        return {**weights, **changed}

    def _loss_parts(self, step):
        parts = dict(step.losses)
        if penalties := self.classifier.losses:
            parts["penalty"] = tf.add_n(penalties)
        for plug_in in self.plug_ins:
            parts.update(plug_in.losses_of(step))
        check_losses(parts, self.weights_of_losses, type(self).__name__)
        return parts

    def _assign_updates(self, step, finite):
        updates = list(step.updates)
        for plug_in in self.plug_ins:
            updates += plug_in.updates_of(step)
        for variable, value in updates:
            kept = tf.convert_to_tensor(variable)
            variable.assign(tf.where(finite, tf.cast(value, kept.dtype), kept))

    def _update_average(self, finite):
        if self.ema_classifier is None:
            return
        done = tf.convert_to_tensor(self.steps_done)
        decay = averaging_decay(done, self.ema_decay, self.ema_warmup)
        move_average(
            self.ema_classifier, self.classifier, decay, self.not_averaged, finite
        )

    def _observe(self, step, audit_labels):
        """Updates the diagnostics; gives the names of those that saw nothing."""
        unseen = result_names([m for p in self.plug_ins for m in p.test_metrics])
        of_plug_ins = [m for p in self.plug_ins for m in p.train_metrics]
        quality = self.pseudo_label_quality
        if step.pseudo is None:
            return unseen | result_names([quality, *of_plug_ins])
        labels, mask, confidence = step.pseudo
        if audit_labels is None:
            quality.update_state(labels, mask, -tf.ones_like(labels), confidence)
            return unseen | {"pseudo_label_accuracy"} | result_names(of_plug_ins)
        quality.update_state(labels, mask, audit_labels, confidence)
        for plug_in in self.plug_ins:
            plug_in.observe_training(step, audit_labels)
        return unseen


def _constants(outputs):
    return {name: tf.stop_gradient(value) for name, value in outputs.items()}


def _without(logs, names):
    return {name: value for name, value in logs.items() if name not in names}


_FINAL = {
    name
    for name, member in vars(SemiSupervisedModel).items()
    if name not in _OPEN and (callable(member) or isinstance(member, property))
}
