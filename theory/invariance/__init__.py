"""Tangency of gradients to manifolds: proofs to be read, counterexamples to be replayed."""

from theory.invariance.check import check_invariance as check_invariance
from theory.invariance.proof import Proof as Proof
from theory.invariance.proof import Unknown as Unknown
from theory.invariance.refutation import Refutation as Refutation
from theory.invariance.search import refute as refute
from theory.invariance.search import smallest_refutation as smallest_refutation
