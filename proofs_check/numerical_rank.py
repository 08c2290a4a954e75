"""Beside the generic dimension: what gradients span around weights as they are.

The field answers for generic weights and for functions of which it knows the algebra alone. Real
weights can be worse off, never better; so both dimensions are reported, with the spectrum that the
second was read off, and where they differ the reasons that this network leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from numerics.plasticity.dimension import PlasticityResult
from numerics.plasticity.spectrum import PlasticitySpectrum, numerical_plasticity
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from proofs_check.errors import ArraysError
from proofs_check.question import Conditions, function_symbols
from theory.errors import ShapeError, ValueSystemError

CLEAR_GAP = 1e3  # a smaller gap does not tell zero from small
GATES = frozenset({"relu", "step"})  # abs, maximum and leaky ones are made of them
FEW_IDENTITIES = frozenset({"exp", "log", "sqrt", "rsqrt"})


@dataclass(frozen=True)
class NumericalRank:
    """The dimension that gradients span around given weights, and how it fits the generic one.

    Args:
        spectrum: singular values of gradients on θ + V.
        generic: the dimension at generic points.
        points: name of the set of those points.
        off: distance of the weights from it, relative to their norm.
        num_data: number of samples that gradients were drawn from; ``None`` for normal ones.
        reasons: why the two dimensions may differ, if they do.
    """

    spectrum: PlasticitySpectrum
    generic: int
    points: str
    off: float
    num_data: int | None
    reasons: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the weights' dimension is not the generic one."""
        return self.spectrum.dimension != self.generic

    @property
    def is_on_points(self) -> bool:
        """Whether the weights lie where the generic dimension is for, but for rounding."""
        return self.off <= float(np.finfo(np.float64).eps) * len(self.spectrum.singular_values)

    @property
    def is_clear(self) -> bool:
        """Whether the gap in the spectrum is wide enough to count by."""
        return self.spectrum.gap >= CLEAR_GAP

    def as_json(self) -> dict[str, Any]:
        """The rank with its spectrum, as ``lop discover --json`` writes it."""
        spectrum = self.spectrum
        return {
            "dimension": spectrum.dimension,
            "level": "observed",
            "gap": spectrum.gap,
            "is_clear": self.is_clear,
            "floor": spectrum.floor,
            "singular_values": [float(s) for s in spectrum.singular_values],
            "differs": self.differs,
            "reasons": list(self.reasons),
            "is_on_points": self.is_on_points,
            "relative_distance": self.off,
            "data": self.num_data,
        }

    def lines(self) -> list[str]:
        """The rank with its spectrum, as a person reads it."""
        spectrum = self.spectrum
        values, k = spectrum.singular_values, spectrum.dimension
        data = "normal data" if self.num_data is None else f"data drawn from {self.num_data}"
        found = [
            f"at the weights given, observed with {data}: {spectrum.summary()}",
            f"  spectrum     {_shown(values, k)}",
        ]
        if not self.is_clear:
            found.append("  no clear gap: the number is a guess, read the spectrum instead")
        if not self.is_on_points:
            found.append(
                f"  not on       {self.points}, but {self.off:.1e} of their norm away: the generic "
                "dimension is for other weights"
            )
        if self.differs:
            found.append(f"  that is not the generic {self.generic}; it may come from")
            found += [f"    - {reason}" for reason in self.reasons]
        else:
            found.append(f"  as at generic weights: {self.generic}")
        return found


def numerical_rank(
    conditions: Conditions,
    result: PlasticityResult,
    parameters: Mapping[str, Array],
    data: Array | None = None,
) -> NumericalRank:
    """The numerical rank at weights, for the network, batch, adjoints and seed of a result.

    Args:
        conditions: the network and the points that the result is about.
        result: the generic dimension.
        parameters: the weights by name, and nothing else.
        data: samples to draw from.

    Raises:
        ArraysError: if weights or data are missing, do not fit or are not finite, or the network
            holds a function without values.
    """
    architecture = conditions.architecture
    if unknown := sorted(set(parameters) - set(architecture.parameters)):
        known = ", ".join(architecture.parameters)
        raise ArraysError(f"parameters[{unknown[0]!r}]: the network's parameters are {known}")
    symbols = function_symbols(architecture)
    if arbitrary := sorted(name for name, is_known in symbols.items() if not is_known):
        raise ArraysError(
            f"--parameters: {architecture.name} holds {arbitrary[0]}, which stands for any "
            "function, so it has no values: name one, as in mlp:3-4-4-2:tanh"
        )
    if data is not None and data.shape[:1] == (0,):
        raise ArraysError("data: no sample")
    try:
        theta = {p: Float64().array(array) for p, array in parameters.items()}
        spectrum = numerical_plasticity(
            architecture,
            theta,
            data,
            adjoints=result.adjoints,
            batch=result.batch,
            seed=result.seed,
        )
    except (ShapeError, ValueSystemError) as error:
        raise ArraysError(f"--parameters and --data: {error}") from None
    off = _relative_distance(conditions, theta)
    num_data = None if data is None else len(data)
    reasons: tuple[str, ...] = ()
    if spectrum.dimension > result.dimension:
        reasons = _reasons_for_more(result)
    elif spectrum.dimension < result.dimension:
        reasons = _reasons_for_less(num_data, frozenset(symbols))
    return NumericalRank(spectrum, result.dimension, result.manifold, off, num_data, reasons)


def _relative_distance(conditions: Conditions, theta: Mapping[str, Array]) -> float:
    norm = sqrt(sum(float(np.sum(array**2)) for array in theta.values()))
    return float(conditions.points.distance(theta)) / (norm or 1.0)


def _reasons_for_more(result: PlasticityResult) -> tuple[str, ...]:
    points = result.manifold
    if result.is_proved:
        return (f"rounding, or weights off {points}: at no point of it is there more than that",)
    return (f"the generic dimension itself, which is proved to be at most {result.upper} only",)


def _reasons_for_less(num_data: int | None, symbols: frozenset[str]) -> tuple[str, ...]:
    found = []
    if gates := sorted(symbols & GATES):
        found.append(f"gates of {', '.join(gates)} that are open or shut wherever these weights go")
    if smooth := sorted(symbols - GATES - FEW_IDENTITIES):
        found.append(f"units that are saturated: {', '.join(smooth)} is flat or linear there")
    if few := sorted(symbols & FEW_IDENTITIES):
        found.append(
            f"identities of {', '.join(few)} that the field does not use, such as the addition law "
            "of exp: there the generic dimension is an upper bound"
        )
    found.append("weights at a special place, such as clones, dead units or zeros")
    if num_data is not None:
        found.append(f"the {num_data} samples of the data, where the generic dimension is for all")
    return tuple(found)


def _shown(values: Array, k: int) -> str:
    """The first values, those on both sides of the gap behind the k-th, and the last."""
    n = len(values)
    places = sorted({i for i in (0, 1, k - 2, k - 1, k, k + 1, n - 1) if 0 <= i < n})
    told: list[str] = []
    for before, i in zip([-1, *places], places, strict=False):
        if i > before + 1:
            told.append("…")
        if i == k:
            told.append("|")
        told.append(f"{float(values[i]):.1e}")
    return " ".join(told)
