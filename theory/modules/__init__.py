"""A calculus of cloning: certificates that gradients keep clones, layer by layer, at any size.

Every node of a gradient graph gets a :class:`~theory.modules.block_structure.BlockStructure`, a
space of tensors that are block-constant or zero-sum along each axis, by the rule of its primitive.
Where the gradient's space lies in the tangent space of a cloned manifold, the manifold is invariant
under training. Nothing is evaluated, so the size of the network hardly matters.
"""

from theory.modules.breach import Breach
from theory.modules.certificate import Certified, NotCertified, certify
from theory.modules.derivation import Derivation, Step
from theory.modules.flattening import flattened

__all__ = [
    "Breach",
    "Certified",
    "Derivation",
    "NotCertified",
    "Step",
    "certify",
    "flattened",
]
