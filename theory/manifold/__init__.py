"""Affine manifolds in parameter space that gradient training may not leave."""

from theory.manifold.affine import AffineManifold as AffineManifold
from theory.manifold.affine import ambient as ambient
from theory.manifold.affine import intersect as intersect
from theory.manifold.base import Constraint as Constraint
from theory.manifold.base import Manifold as Manifold
from theory.manifold.cloned import ClonedManifold as ClonedManifold
from theory.manifold.cloned import block_constant as block_constant
from theory.manifold.cloned import equitable as equitable
from theory.manifold.cloned import incoming_equitable as incoming_equitable
from theory.manifold.cloned import leaf as leaf
from theory.manifold.cloned import outgoing_equitable as outgoing_equitable
from theory.manifold.cloned import zero as zero
from theory.manifold.frozen import frozen as frozen
from theory.manifold.frozen import trap as trap
