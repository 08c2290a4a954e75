"""All theorems on stability, in the order in which they rest on each other."""

from __future__ import annotations

from theory.stability.block_theorem import BLOCKS, EXCHANGE
from theory.stability.critical_decay import CRITICAL_DECAY, HOMOGENEOUS_DECAY
from theory.stability.emptiness import EMPTINESS
from theory.stability.frozen_units import FROZEN_UNITS
from theory.stability.fukumizu_amari import SPLITTING
from theory.stability.inertia import INERTIA
from theory.stability.off_bc import OFF_BC
from theory.stability.zero_units import ZERO_UNITS
from theory.theorem import Theorem


def theorems() -> tuple[Theorem, ...]:
    """The theorems with their proofs; a check runs when its outcome is asked for.

    >>> [theorem.id for theorem in theorems()][:3]
    ['N3.exchange', 'N3', 'N3.off-bc']
    """
    return (
        EXCHANGE,
        BLOCKS,
        OFF_BC,
        INERTIA,
        EMPTINESS,
        SPLITTING,
        CRITICAL_DECAY,
        HOMOGENEOUS_DECAY,
        ZERO_UNITS,
        FROZEN_UNITS,
    )
