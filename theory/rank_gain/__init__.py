"""Rank dynamics: Hermite weights, correlation kernels and the rank-gain theorems, exactly."""

from theory.rank_gain.collapse import (
    collapse_series,
    collapse_theorem,
    equicorrelated_ranks,
    shannon_factor,
)
from theory.rank_gain.gain import (
    RankGainBounds,
    correlation_matrix,
    effective_rank,
    polynomial_kernel,
    rank_gain,
    rank_gain_bounds,
)
from theory.rank_gain.hermite import ExactHermite, exact_hermite
from theory.rank_gain.scaling import monotone_theorem, sign_limit_theorem
from theory.rank_gain.theorems import (
    decorrelation_theorem,
    equality_theorem,
    optimal_theorem,
    rank_gain_theorem,
    sharp_theorem,
)

__all__ = [
    "ExactHermite",
    "RankGainBounds",
    "collapse_series",
    "collapse_theorem",
    "correlation_matrix",
    "decorrelation_theorem",
    "effective_rank",
    "equality_theorem",
    "equicorrelated_ranks",
    "exact_hermite",
    "monotone_theorem",
    "optimal_theorem",
    "polynomial_kernel",
    "rank_gain",
    "rank_gain_bounds",
    "rank_gain_theorem",
    "shannon_factor",
    "sharp_theorem",
    "sign_limit_theorem",
]
