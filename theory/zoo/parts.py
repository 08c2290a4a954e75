"""What several architectures share: functions by name, numbers in names, normalisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from theory.activation import Activation, activation
from theory.errors import ArchitectureError
from theory.layers import batch_norm, group_norm, layer_norm, rms_norm

EPSILON = Fraction(1, 100_000)
Axes = dict[str, tuple[str, ...]]
Normalisation = Callable[[dict[str, Any], str, Any], Any]  # (parameters, place, x) to the normal x


def symbol(phi: Activation | str) -> Activation:
    """The function symbol, given or by name."""
    return activation(phi) if isinstance(phi, str) else phi


def dashed(*numbers: int) -> str:
    """Numbers as they stand in a name: ``3-4-2``."""
    return "-".join(map(str, numbers))


def _batch(p: dict[str, Any], place: str, x: Any) -> Any:
    return batch_norm(x, p[f"gain{place}"], p[f"shift{place}"], eps=EPSILON)


def _running(p: dict[str, Any], place: str, x: Any) -> Any:
    mean, variance = p[f"mean{place}"], p[f"variance{place}"]
    return batch_norm(
        x, p[f"gain{place}"], p[f"shift{place}"], eps=EPSILON, mean=mean, variance=variance
    )


def _layer(p: dict[str, Any], place: str, x: Any) -> Any:
    return layer_norm(x, p[f"gain{place}"], p[f"shift{place}"], eps=EPSILON)


def _rms(p: dict[str, Any], place: str, x: Any) -> Any:
    return rms_norm(x, p[f"gain{place}"], eps=EPSILON)


def _group(groups: int) -> Normalisation:
    def normalise(p: dict[str, Any], place: str, x: Any) -> Any:
        return group_norm(x, groups, p[f"gain{place}"], p[f"shift{place}"], eps=EPSILON)

    return normalise


_PARAMETERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "batch": ("gain", "shift"),
        "running": ("gain", "shift", "mean", "variance"),
        "layer": ("gain", "shift"),
        "rms": ("gain",),
        "group": ("gain", "shift"),
    }
)


def normalisation(norm: str, allowed: tuple[str, ...], groups: int = 1) -> Normalisation:
    """The normalisation of that name.

    Raises:
        ArchitectureError: if the architecture has none of that name.
    """
    if norm not in allowed:
        raise ArchitectureError(f"norm={norm!r}: there are {', '.join(allowed)}")
    known = {"batch": _batch, "running": _running, "layer": _layer, "rms": _rms}
    return known[norm] if norm in known else _group(groups)


def normalisation_parameters(norm: str, place: str, axis: str) -> Axes:
    """The parameters of one normalisation along an axis, ``gain1 (c1,)`` and so on."""
    return {f"{kind}{place}": (axis,) for kind in _PARAMETERS[norm]}


def check_positive(entry: str, numbers: tuple[int, ...], count: int | None = None) -> None:
    """Refuse what are not positive integers, or not as many as asked for.

    Raises:
        ArchitectureError: naming the entry.
    """
    if count is not None and len(numbers) != count:
        raise ArchitectureError(f"{entry}={numbers}: expected {count} numbers")
    if not numbers or any(not isinstance(n, int) or n < 1 for n in numbers):
        raise ArchitectureError(f"{entry}={numbers}: numbers are positive integers")
