"""The exported graph: preprocessing, classifier, calibration, as constants."""

import tensorflow as tf

from kerasfer.deploy.calibration import with_temperature
from kerasfer.deploy.export.orientation import upright
from kerasfer.frozen import frozen


def resized(images, size):
    """Images in another size, as `vision.images.resize` makes them, in a graph.

    Averages areas where both sides shrink, else interpolates linearly. Both are a
    weighted sum over rows and over columns, and so are two matrix products. OpenCV
    reckons in fixed point: a pixel may differ by one grey level where sides change; at
    the same size nothing is touched.

    Args:
        images: uint8 (batch, any height, any width, channels).
        size: (height, width).

    Returns:
        float32 (batch, *size, channels), whole numbers in 0..255.
    """
    images = tf.cast(images, tf.float32)
    shape = tf.shape(images)

    def changed():
        shrinks = tf.logical_and(shape[1] >= size[0], shape[2] >= size[1])
        rows = _weights(shape[1], size[0], shrinks)
        columns = _weights(shape[2], size[1], shrinks)
        blended = tf.einsum("th,nhwc->ntwc", rows, images)
        return tf.round(tf.einsum("sw,ntwc->ntsc", columns, blended))

    same = tf.reduce_all(shape[1:3] == tf.constant(size))
    result = tf.cond(same, lambda: images, changed)
    return tf.ensure_shape(result, (None, *size, images.shape[-1]))


def _weights(source, target, shrinks):
    """(target, source): how much each old row counts in each new one."""
    old = tf.range(tf.cast(source, tf.float32))[None, :]
    new = tf.range(tf.cast(target, tf.float32))[:, None]
    scale = tf.cast(source, tf.float32) / tf.cast(target, tf.float32)

    def areas():
        first = tf.maximum(new * scale, old)
        last = tf.minimum((new + 1.0) * scale, old + 1.0)
        return tf.maximum(last - first, 0.0) / scale

    def neighbours():
        middle = tf.clip_by_value((new + 0.5) * scale - 0.5, 0.0, old[0, -1])
        return tf.maximum(1.0 - tf.abs(middle - old), 0.0)

    return tf.cond(shrinks, areas, neighbours)


def named_outputs(classifier, description):
    """A function from images of the classifier's size to what an export gives.

    Returns:
        function (batch, *image_shape) -> dict of "probs", calibrated, float32 (batch,
        classes); "embedding", float32 (batch, width); and for action units "decisions",
        bool (batch, units).
    """

    def outputs(images):
        found = classifier(tf.cast(images, tf.float32), training=False)
        probs = with_temperature(
            found["probs"], description.temperature, description.task
        )
        named = {"embedding": found["embedding"], "probs": probs}
        if description.thresholds:
            named["decisions"] = found["probs"] >= tf.constant(description.thresholds)
        return named

    return outputs


class ServedModel(tf.Module):
    """What a SavedModel holds: four signatures around one frozen classifier.

    * "serving_default": `image_bytes`, string (batch,), JPEG or PNG files of any size;
    * "images": `images`, uint8 (batch, any height, any width, channels);
    * "embeddings": `images`, the same; gives `embedding`, float32 (batch, width);
    * "fixed_size": `images`, uint8 (batch, *image_shape); gives what an ONNX or LiteRT
      export gives, without a text or a size that is not fixed, for converters.

    The first two give `probs`, float32 (batch, classes), and, named for each row, as
    TensorFlow Serving's row format wants it: `class_names`, string (batch, classes),
    and `label`, string (batch,), of the most probable one; or for action units
    `au_names`, string, and `decisions`, bool (batch, units).

    JPEG is decoded by the accurate inverse transform, and turned as its rotation tag
    (EXIF) says, as OpenCV does; a PNG's tag is not looked at. A file that is cut off is
    an error.

    Args:
        classifier: a Keras model, image -> {"embedding", "probs"}.
        description: a `Description`.
    """

    def __init__(self, classifier, description):
        super().__init__(name="served_model")
        self._description = description
        height, width, channels = description.image_shape
        native = tf.TensorSpec((None, height, width, channels), tf.float32, "images")
        self._classify = frozen(named_outputs(classifier, description), native)
        images = tf.TensorSpec((None, None, None, channels), tf.uint8, "images")
        encoded = tf.TensorSpec((None,), tf.string, "image_bytes")
        fixed = tf.TensorSpec((None, *description.image_shape), tf.uint8, "images")
        self.entry_points = {
            "serving_default": tf.function(self._of_bytes, [encoded]),
            "images": tf.function(self._of_images, [images]),
            "embeddings": tf.function(self._embeddings, [images]),
            "fixed_size": tf.function(self._of_fixed_size, [fixed]),
        }

    def _of_images(self, images):
        return self._predictions(resized(images, self._description.image_shape[:2]))

    def _of_bytes(self, image_bytes):
        shape = self._description.image_shape

        def decode(encoded):
            image = tf.io.decode_jpeg(
                encoded, channels=shape[2], dct_method="INTEGER_ACCURATE"
            )
            image = upright(image, encoded)
            return resized(image[None], shape[:2])[0]

        return self._predictions(
            tf.map_fn(
                decode,
                image_bytes,
                fn_output_signature=tf.TensorSpec(shape, tf.float32),
            )
        )

    def _of_fixed_size(self, images):
        return self._classify(tf.cast(images, tf.float32))

    def _embeddings(self, images):
        images = resized(images, self._description.image_shape[:2])
        return {"embedding": self._classify(images)["embedding"]}

    def _predictions(self, images):
        found = self._classify(images)
        names = tf.constant(self._description.names)
        rows = tf.broadcast_to(names, tf.shape(found["probs"]))
        if self._description.task == "action_units":
            found["au_names"] = rows
        else:
            found["class_names"] = rows
            found["label"] = tf.gather(names, tf.argmax(found["probs"], -1))
        del found["embedding"]
        return found
