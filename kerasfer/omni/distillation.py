"""Dataset distillation: a few images that teach what a large set does."""

import keras
import numpy as np
import tensorflow as tf

from kerasfer.callbacks import StopOnNonFiniteLoss
from kerasfer.safe_write import atomic_write
from kerasfer.training.overflow import statistics_of
from kerasfer.training.read_order import reads_before_writes

WEIGHTS = ("pretrained_random_head", "fixed", "random")
_MIDDLE, _SPREAD = 127.5, 64.0  # pixels that N(0, 1) stands for


class DatasetDistiller(keras.Model):
    """Images, and step sizes, that lower a network's loss in few gradient steps.

        theta_{t+1} = theta_t - eta_t grad_theta mean H(y~, p(x~; theta_t)),  t < T
        L = mean over drawn theta_0, mean H(y, p(x; theta_T)) on real faces x

    minimised over the images x~ (one or several a class, labels y~ fixed) and the step
    sizes eta_t = softplus(r_t) > 0. T = `steps` x `epochs`: each step has images of its
    own, an epoch goes through them again, each with its own eta.

    The gradient is exact, by Hessian-vector products going back through the steps (Wang
    et al.'s own way), so memory does not grow with T. Running statistics of batch
    normalisation stay as they are; real faces x are seen by them, in inference mode.

    Source: Wang et al., "Dataset Distillation", arXiv:1811.10959, Alg. 1; Liu et al.,
    "Omni-supervised Facial Expression Recognition via Distilled Data", section 3.4, one
    step, one image a class. *Not stated there*: the distribution of theta_0, eta_0, the
    rates, T. *Deviations*: images are pixels (x~ = 127.5 + 64 z, z from N(0, 1) at
    first, unbounded), fed through the classifier's own normalisation as every other
    image, where the paper's live behind it.

    `compile(optimizer)`: the paper's code has Adam(0.01, beta_1=0.5). `fit` takes
    batches of real faces, (image, label), as of `training_dataset`; a loss that is not
    finite stops it with an error, and changes nothing. Logged: `loss`, and `start_loss`
    on the same faces before the steps.

    Args:
        classifier: as `kerasfer.build_classifier` makes it; its weights are the pool
            that theta_0 comes from, and as they were after each step.
        class_names: one per class.
        image_shape: (height, width, channels) of the images; None is the classifier's.
        weights: theta_0 is "pretrained_random_head": the classifier's weights, with the
            layer `logits` drawn anew (Glorot); "fixed": the classifier's, each time;
            "random": all kernels drawn anew, biases 0, scales 1, and running statistics
            of the real faces of the step, without which it would be nearly blind.
        num_networks: theta_0 drawn for each outer step.
        steps, epochs: see above.
        images_per_class: of each step.
        step_size: eta at first, > 0. 0.02 is their code's.
        batch_statistics: whether the inner steps normalise by the statistics of their
            own images, as a training does (Wang et al.'s code), or by the running ones,
            with which a random network diverges at a step of 0.02.
        seed: of the first images and of the networks.

    Attributes:
        pixels: the images, float32 (steps * images_per_class * classes, h, w, c).
        labels: int32 array, their classes.

    Raises:
        ValueError: another `weights`, a number out of its range, a classifier without
            the layer `logits`; or one with dropout (`copy_of(classifier, rate=0.0)` is
            without), whose random draws would differ on the way back through a step.

    >>> distiller = DatasetDistiller(classifier, names)
    >>> distiller.compile(keras.optimizers.Adam(0.01, beta_1=0.5))
    """

    def __init__(
        self,
        classifier,
        class_names,
        image_shape=None,
        weights="pretrained_random_head",
        num_networks=1,
        steps=1,
        epochs=3,
        images_per_class=1,
        step_size=0.02,
        batch_statistics=True,
        seed=0,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        _check(weights, num_networks, steps, epochs, images_per_class, step_size)
        self.classifier, self.class_names = classifier, tuple(class_names)
        self.head, self.norms = _head(classifier), _norms(classifier)
        _check_dropout(classifier)
        self.batch_statistics = batch_statistics
        self.drawn_from, self.num_networks = weights, num_networks
        self.steps, self.seed = steps, seed
        num_classes = len(self.class_names)
        self.step_labels = np.tile(np.arange(num_classes), images_per_class)
        self.labels = np.tile(self.step_labels, steps).astype(np.int32)
        shape = image_shape or tuple(classifier.input_shape[1:])
        rng = np.random.default_rng(seed)
        self.noise = self.add_weight(
            name="noise",
            shape=(len(self.labels), *shape),
            initializer=_constant(rng.normal(size=(len(self.labels), *shape))),
        )
        raw = np.log(np.expm1(step_size))
        self.raw_step_sizes = self.add_weight(
            name="raw_step_sizes",
            shape=(steps * epochs,),
            initializer=keras.initializers.Constant(raw),
        )
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.start_loss_tracker = keras.metrics.Mean(name="start_loss")
        self.outer_steps = self.add_weight(
            name="outer_steps", shape=(), initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def trainable_variables(self):
        return [self.noise, self.raw_step_sizes]

    @property
    def trainable_weights(self):
        return self.trainable_variables

    @property
    def pixels(self):
        """The images as they are fed, float32, not bounded to 0..255."""
        return _MIDDLE + _SPREAD * tf.convert_to_tensor(self.noise)

    @property
    def step_sizes(self):
        """Eta of each step, float32 (steps * epochs,)."""
        return tf.math.softplus(tf.convert_to_tensor(self.raw_step_sizes))

    # --- what a user uses -------------------------------------------------------------

    def fit(self, x, *, callbacks=(), **kwargs):
        """As `keras.Model.fit`; a loss that is not finite is an error."""
        kwargs.setdefault("shuffle", False)
        with reads_before_writes():
            return super().fit(
                x, callbacks=[StopOnNonFiniteLoss(), *(callbacks or ())], **kwargs
            )

    def save_images(self, path):
        """Writes images, labels, class_names, step_sizes and their number as an .npz,
        whole."""
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                images=self.pixels.numpy(),
                labels=self.labels,
                class_names=np.array(self.class_names),
                step_sizes=self.step_sizes.numpy(),
                steps=self.steps,
            )

    # --- the two loops ----------------------------------------------------------------

    def train_step(self, data):
        batch, labels = data
        images = batch["image"] if isinstance(batch, dict) else batch
        start, end, gradients = self.unrolled(images, labels)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
        # A step of nothing keeps the last good images; the loss then stops the run.
        end = tf.where(finite, end, float("nan"))
        gradients = [tf.where(finite, g, tf.zeros_like(g)) for g in gradients]
        kept = [tf.identity(v) for v in self.trainable_variables]
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        for variable, value in zip(self.trainable_variables, kept, strict=True):
            variable.assign(tf.where(finite, tf.convert_to_tensor(variable), value))
        self.outer_steps.assign_add(1.0)
        self.loss_tracker.update_state(end)
        self.start_loss_tracker.update_state(start)
        return {
            m.name: m.result() for m in (self.loss_tracker, self.start_loss_tracker)
        }

    def unrolled(self, images, labels):
        """The mean loss at theta_0 and theta_T, and the gradient of the latter.

        The classifier has its own weights again afterwards.

        Returns:
            two float scalars, and [gradient of `noise`, of `raw_step_sizes`].
        """
        variables = self.classifier.trainable_variables
        pool = [tf.identity(v) for v in variables]
        statistics = statistics_of(self.classifier)
        total = None
        for network in range(self.num_networks):
            self._set_drawn(pool, network, images)
            result = self._one_network(images, labels)
            total = (
                result
                if total is None
                else tf.nest.map_structure(tf.add, total, result)
            )
        _assign(variables, pool)
        _restore(statistics)
        return tf.nest.map_structure(lambda value: value / self.num_networks, total)

    def adapt(self):
        """Takes the inner steps with the classifier: theta_0 to theta_T, in place."""
        take_steps(
            self.classifier,
            self.pixels,
            self.labels,
            self.step_sizes,
            self.steps,
            self.batch_statistics,
        )

    def draw_network(self, network=0, images=None):
        """Sets the classifier's weights to a theta_0, of this outer step.

        Args:
            network: its number among those of the step.
            images: real faces, for the running statistics of a "random" network.
        """
        variables = self.classifier.trainable_variables
        self._set_drawn([tf.identity(v) for v in variables], network, images)

    def _set_drawn(self, pool, network, images):
        _assign(self.classifier.trainable_variables, self._drawn(pool, network))
        if self.drawn_from == "random" and images is not None:
            _estimate(self.classifier, self.norms, images)

    def _one_network(self, images, labels):
        """Forward through the steps, then back, on the classifier's variables."""
        variables = self.classifier.trainable_variables
        start = self._loss(images, labels)
        thetas, num_steps = [], self.raw_step_sizes.shape[0]
        for t in range(num_steps):
            thetas.append([tf.identity(v) for v in variables])
            with tf.GradientTape() as tape:
                loss = self._inner_loss(self._images_of(t))
            gradient = tape.gradient(loss, variables)
            eta = self.step_sizes[t]
            _assign(
                variables,
                [v - eta * g for v, g in zip(thetas[-1], gradient, strict=True)],
            )
        with tf.GradientTape() as tape:
            end = self._loss(images, labels)
        # d L / d theta_T, then back to theta_0.
        slope = tape.gradient(end, variables)
        by_pixels = tf.zeros_like(self.pixels)
        by_eta = [None] * num_steps
        for t in reversed(range(num_steps)):
            _assign(variables, thetas[t])
            slope, by_image, by_eta[t] = self._one_step_back(t, slope)
            by_pixels += by_image
        sigmoid = tf.math.sigmoid(tf.convert_to_tensor(self.raw_step_sizes))
        return start, end, [_SPREAD * by_pixels, tf.stack(by_eta) * sigmoid]

    def _one_step_back(self, t, slope):
        """From d L / d theta_{t+1} to that of theta_t, of all pixels, of eta_t."""
        variables = self.classifier.trainable_variables
        pixels = self.pixels
        with tf.GradientTape() as outer:
            outer.watch(pixels)
            with tf.GradientTape() as inner:
                loss = self._inner_loss(self._images_of(t, pixels))
            gradient = inner.gradient(loss, variables)
            along = tf.add_n(
                [tf.reduce_sum(g * s) for g, s in zip(gradient, slope, strict=True)]
            )
        by_weights, by_pixels = outer.gradient(
            along, [variables, pixels], unconnected_gradients="zero"
        )
        eta = self.step_sizes[t]
        slope = [s - eta * h for s, h in zip(slope, by_weights, strict=True)]
        return slope, -eta * by_pixels, -along

    def _images_of(self, t, pixels=None):
        pixels = self.pixels if pixels is None else pixels
        size, step = len(self.step_labels), t % self.steps
        return pixels[step * size : (step + 1) * size]

    def _inner_loss(self, images):
        return _inner_loss(
            self.classifier, images, self.step_labels, self.batch_statistics
        )

    def _loss(self, images, labels):
        return _loss(self.classifier, images, labels, training=False)

    def _drawn(self, pool, network):
        """Weights theta_0, of a seed that moves with the outer steps."""
        if self.drawn_from == "fixed":
            return pool
        number = tf.cast(self.outer_steps, tf.int32) * self.num_networks + network
        head = {id(v) for v in self.head.trainable_variables}
        drawn = []
        for i, (variable, value) in enumerate(
            zip(self.classifier.trainable_variables, pool, strict=True)
        ):
            if self.drawn_from == "random" or id(variable) in head:
                seed = tf.stack([self.seed * 1009 + i, number])
                value = _fresh(variable, seed)
            drawn.append(value)
        return drawn


def take_steps(classifier, images, labels, step_sizes, steps=1, batch_statistics=True):
    """Gradient steps on distilled images at the sizes learned with them, in place.

    Args:
        classifier: the network to take them with, a theta_0 to become theta_T.
        images: float (n, height, width, channels), pixels; those of the first step
            first.
        labels: int (n,).
        step_sizes: float (T,), one a step; after `steps` of them the images repeat.
        steps: how many steps have images of their own.
        batch_statistics: see `DatasetDistiller`.

    >>> take_steps(classifier, *distilled)  # doctest: +SKIP
    """
    variables = classifier.trainable_variables
    size = len(labels) // steps
    for t, step_size in enumerate(tf.unstack(step_sizes)):
        mine = slice(t % steps * size, (t % steps + 1) * size)
        with tf.GradientTape() as tape:
            loss = _inner_loss(classifier, images[mine], labels[mine], batch_statistics)
        gradients = tape.gradient(loss, variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(step_size * gradient)


def load_steps(path):
    """The step sizes of `DatasetDistiller.save_images`, and how many steps have images
    of their own, as `take_steps` wants them.

    Raises:
        ValueError: the file has none.

    >>> step_sizes, steps = load_steps("distilled.npz")  # doctest: +SKIP
    """
    with np.load(path, allow_pickle=False) as file:
        missing = {"step_sizes", "steps"} - set(file.files)
        if missing:
            raise ValueError(
                f"{path}: expected step_sizes and steps, as of a distillation. "
                f"Received: {', '.join(file.files)}."
            )
        return file["step_sizes"].astype(np.float32), int(file["steps"])


def load_images(path):
    """Distilled images of `DatasetDistiller.save_images`, or of your own.

    Args:
        path: of an .npz with `images`, float (n, height, width, channels), pixels;
            `labels`, int (n,); `class_names`.

    Returns:
        images, float32; labels, int32; class_names, a tuple.

    Raises:
        FileNotFoundError: no such file.
        ValueError: something is missing, of another shape, or not finite.

    >>> images, labels, names = load_images("distilled.npz")  # doctest: +SKIP
    """
    with np.load(path, allow_pickle=False) as file:
        missing = {"images", "labels", "class_names"} - set(file.files)
        if missing:
            raise ValueError(
                f"{path}: expected images, labels and class_names. Received: "
                f"{', '.join(file.files)}."
            )
        images, labels = file["images"].astype(np.float32), file["labels"]
        names = tuple(str(name) for name in file["class_names"])
    if images.ndim != 4 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{path}: expected images (n, height, width, channels) and n labels. "
            f"Received: {images.shape} and {labels.shape}."
        )
    if not np.isfinite(images).all() or not np.isin(labels, range(len(names))).all():
        raise ValueError(f"{path}: images that are not finite, or labels of no class.")
    return images, labels.astype(np.int32), names


def labels_among(labels, names, class_names):
    """Labels as indices among other class names, matched by name.

    Args:
        labels: int (n,), indices of `names`.
        names: class names of `load_images`.
        class_names: of the data set.

    Returns:
        int32 (n,), indices of `class_names`.

    Raises:
        ValueError: a class of the images is none of the data set's.

    >>> labels_among([0, 1], ("fear", "anger"), ("anger", "fear"))
    array([1, 0], dtype=int32)
    """
    index = {name: k for k, name in enumerate(class_names)}
    used = [names[label] for label in labels]
    unknown = [name for name in dict.fromkeys(used) if name not in index]
    if unknown:
        raise ValueError(
            f"Distilled images of {', '.join(unknown)}, which is no class of the "
            f"labelled faces. Expected classes among {', '.join(class_names)}."
        )
    return np.array([index[name] for name in used], np.int32)


def _loss(classifier, images, labels, training):
    logits = classifier(tf.cast(images, tf.float32), training=training)["logits"]
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    )


def _inner_loss(classifier, images, labels, batch_statistics):
    """The loss on distilled images; running statistics stay as they are."""
    if not batch_statistics:
        return _loss(classifier, images, labels, training=False)
    statistics = statistics_of(classifier)
    loss = _loss(classifier, images, labels, training=True)
    _restore(statistics)
    return loss


def _restore(statistics):
    for variable, value in statistics:
        variable.assign(value)


def _estimate(classifier, norms, images):
    """Running statistics of these images, by one forward pass.

    r <- m r + (1 - m) s from r = 0, divided by 1 - m, is the batch's s.
    """
    for norm in norms:
        for r in (norm.moving_mean, norm.moving_variance):
            r.assign(tf.zeros(r.shape))
    classifier(tf.cast(images, tf.float32), training=True)
    for norm in norms:
        for r in (norm.moving_mean, norm.moving_variance):
            r.assign(tf.convert_to_tensor(r) / (1.0 - norm.momentum))


def _layers(model):
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else (layer,)


def _norms(classifier):
    kind = keras.layers.BatchNormalization
    return [layer for layer in _layers(classifier) if isinstance(layer, kind)]


def _check_dropout(classifier):
    for layer in _layers(classifier):
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            raise ValueError(
                "Expected a classifier without dropout, as "
                "kerasfer.training.copies.copy_of(classifier, rate=0.0) makes it. "
                f"Received: layer {layer.name} of rate {layer.rate}."
            )


def _fresh(variable, seed):
    """A kernel drawn by Glorot's rule; 0 for a bias, 1 for a scale."""
    shape = tuple(variable.shape)
    if len(shape) == 1 or "bias" in variable.name:
        # Keras names the scale of a batch normalisation gamma.
        return tf.ones(shape) if "gamma" in variable.name else tf.zeros(shape)
    receptive = int(np.prod(shape[:-2]))
    spread = np.sqrt(2.0 / (receptive * (shape[-2] + shape[-1])))
    return spread * tf.random.stateless_normal(shape, seed)


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _constant(values):
    return keras.initializers.Constant(values.astype(np.float32))


def _head(classifier):
    try:
        return classifier.get_layer("logits")
    except ValueError:
        raise ValueError(
            "The classifier has no layer `logits`. Build it by "
            "kerasfer.build_classifier."
        ) from None


def _check(weights, num_networks, steps, epochs, images_per_class, step_size):
    if weights not in WEIGHTS:
        raise ValueError(
            f"`weights` must be one of {', '.join(WEIGHTS)}. Received: {weights!r}."
        )
    if min(num_networks, steps, epochs, images_per_class) < 1 or step_size <= 0:
        raise ValueError(
            "Expected num_networks, steps, epochs and images_per_class of at least 1 "
            f"and step_size > 0. Received: {num_networks}, {steps}, {epochs}, "
            f"{images_per_class} and {step_size}."
        )
