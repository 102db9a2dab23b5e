"""What a .keras file may ask Keras to build: pairs of a module and a class."""

_LAYERS = """
    Activation Add AlphaDropout Attention Average AveragePooling1D AveragePooling2D
    AveragePooling3D BatchNormalization CategoryEncoding CenterCrop Concatenate Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose Cropping1D Cropping2D
    Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU EinsumDense
    Embedding Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization GroupQueryAttention Identity InputLayer
    LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum
    Minimum MultiHeadAttention Multiply Normalization PReLU Permute RMSNormalization
    ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D Softmax
    SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization Subtract
    UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
    ZeroPadding3D
"""
_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer
    LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal
    RandomUniform TruncatedNormal VarianceScaling Zeros
"""

BUILT = {
    "keras": {"DTypePolicy", "Functional", "Sequential"},
    "keras.constraints": {"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"},
    "keras.dtype_policies": {"DTypePolicy"},
    "keras.initializers": set(_INITIALIZERS.split()),
    "keras.layers": set(_LAYERS.split()),
    "keras.mixed_precision": {"Policy"},
    "keras.models": {"Functional", "Sequential"},
    "keras.regularizers": {"L1", "L1L2", "L2", "OrthogonalRegularizer"},
    # Where Keras 3 and Keras 2.15 say that functional models come from.
    "keras.src.engine.functional": {"Functional"},
    "keras.src.models.functional": {"Functional"},
}
"""Module -> classes that just compute."""

VALUES = {"TensorShape", "__ellipsis__", "__keras_tensor__", "__numpy__", "__tuple__"}
"""What stands for a value, without a module."""
