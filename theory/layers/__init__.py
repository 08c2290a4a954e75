"""Layers as plain functions of arrays, channels last.

A layer is written with NumPy calls and function symbols, so the same function is followed by
:func:`theory.tracing.trace` and, where it holds no function symbol other than ``np.exp`` and
``np.sqrt``, also computes on arrays of floats. Layers own no parameters: they are arguments.
"""

from theory.layers.attention import attention, softmax
from theory.layers.convolution import conv2d, depthwise_conv2d
from theory.layers.embedding import embedding
from theory.layers.gating import dropout, glu, prelu
from theory.layers.normalisation import batch_norm, group_norm, layer_norm, rms_norm
from theory.layers.pooling import avg_pool2d, flatten, max_pool2d
from theory.layers.recurrent import elman, gru

__all__ = [
    "attention",
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "depthwise_conv2d",
    "dropout",
    "elman",
    "embedding",
    "flatten",
    "glu",
    "group_norm",
    "gru",
    "layer_norm",
    "max_pool2d",
    "prelu",
    "rms_norm",
    "softmax",
]
