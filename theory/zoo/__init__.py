"""Ready-made architectures, by constructor and by name.

Every forward function reads lengths off the arrays it is given, so that
``dataclasses.replace(network, sizes=wider)`` is the widened network. What is no length of an axis
is kept as it is: strides, numbers of groups, the depth.
"""

from theory.zoo.cnn import cnn
from theory.zoo.mlp import gated_mlp, mlp
from theory.zoo.names import EXAMPLES, from_name
from theory.zoo.recurrent import rnn
from theory.zoo.resnet import resnet, resnet50
from theory.zoo.transformer import decoder, vision_transformer, vit_b16

__all__ = [
    "EXAMPLES",
    "cnn",
    "decoder",
    "from_name",
    "gated_mlp",
    "mlp",
    "resnet",
    "resnet50",
    "rnn",
    "vision_transformer",
    "vit_b16",
]
