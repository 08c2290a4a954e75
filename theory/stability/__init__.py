"""Stability of cloned, zero and frozen manifolds, from SymPy's Hessian of explicit losses."""

from theory.stability.catalogue import theorems as theorems
from theory.stability.exchange import ExchangeableDerivation as ExchangeableDerivation
from theory.stability.exchange import ExchangeableLayer as ExchangeableLayer
from theory.stability.exchange import derive_exchangeable as derive_exchangeable
from theory.stability.exchangeable_layers import LAYERS as LAYERS
from theory.stability.formula import BlockFormula as BlockFormula
from theory.stability.hessian_equations import TransverseBlock as TransverseBlock
from theory.stability.identity import Equation as Equation
from theory.stability.identity import compare as compare
from theory.stability.off_bc import derive_off_bc as derive_off_bc
from theory.stability.splitting import Splitting as Splitting
from theory.stability.splitting import splitting as splitting
from theory.stability.transverse import TransverseDerivation as TransverseDerivation
from theory.stability.transverse import derive as derive
