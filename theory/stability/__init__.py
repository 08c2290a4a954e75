"""Stability of cloned, zero and frozen manifolds, from SymPy's Hessian of explicit losses."""

from theory.stability.exposition import Exposition as Exposition
from theory.stability.exposition import Step as Step
from theory.stability.formula import BlockFormula as BlockFormula
from theory.stability.hessian_equations import TransverseBlock as TransverseBlock
from theory.stability.identity import Equation as Equation
from theory.stability.identity import Outcome as Outcome
from theory.stability.identity import compare as compare
from theory.stability.transverse import TransverseDerivation as TransverseDerivation
from theory.stability.transverse import derive as derive
