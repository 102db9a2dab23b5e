"""The operations that a SavedModel's graph may have: they compute, and no more."""

_COMPUTE = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin AvgPool AvgPool3D BatchMatMulV2
    BatchMatMulV3 BatchToSpaceND BiasAdd BroadcastTo Cast Ceil ClipByValue Concat
    ConcatV2 Const Conv2D Conv2DBackpropInput Conv3D Cos Cumsum DecodeJpeg DecodeRaw
    DepthToSpace DepthwiseConv2dNative Div DivNoNan Einsum Elu EnsureShape Equal Erf Exp
    ExpandDims Expm1 Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2
    FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual Identity IdentityN
    Inv LRN LeakyRelu Less LessEqual LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot
    LogicalOr MatMul Max MaxPool MaxPool3D MaxPoolV2 Maximum Mean Min Minimum MirrorPad
    Mul MulNoNan Neg NoOp NotEqual OneHot Pack Pad PadV2 Placeholder Pow Prod Range Rank
    RealDiv Reciprocal Relu Relu6 Reshape ResizeArea ResizeBilinear
    ResizeNearestNeighbor ReverseV2 Roll Round Rsqrt Select SelectV2 Selu Shape ShapeN
    Sigmoid Sign Sin Size Slice Softmax Softplus Softsign SpaceToBatchND SpaceToDepth
    Split SplitV Sqrt Square SquaredDifference Squeeze StopGradient StridedSlice Sub
    Substr Sum Tan Tanh Tile TopKV2 Transpose TruncateDiv Unpack Where Xdivy Xlogy
    ZerosLike
"""
_CONTROL = """
    Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile TensorListConcatV2 TensorListFromTensor TensorListGetItem
    TensorListLength TensorListReserve TensorListSetItem TensorListStack While
"""
_SAVER = """
    MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin
"""

COMPUTE = frozenset(_COMPUTE.split()) | frozenset(_CONTROL.split())
"""Without an effect; calls of functions, which are looked at themselves."""

SAVER = frozenset(_SAVER.split())
"""What TensorFlow writes into every SavedModel, to save and restore variables: files
are written and read, so that nothing that is run may reach them."""
