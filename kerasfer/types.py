"""Names for the types of arguments; at run time they import nothing heavy."""

import os
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    Tensor: TypeAlias = tf.Tensor
    Array: TypeAlias = np.ndarray
    Classifier: TypeAlias = keras.Model
    Dataset: TypeAlias = tf.data.Dataset
else:
    Tensor = Array = Classifier = Dataset = Any

PathLike: TypeAlias = str | os.PathLike[str]
