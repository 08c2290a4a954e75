"""The questions that options of the command line ask of a network.

``--clone h=0,1/2,3``, ``--mirror h=0,-1``, ``--zero h:3`` and ``--freeze h:3=0`` say where training
starts and on which data; ``lop prove`` asks whether training stays there, ``lop discover`` what it
can reach from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from proofs_check.errors import OptionError
from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.manifold import (
    Manifold,
    ambient,
    block_constant,
    equitable,
    intersect,
    trap,
    zero,
)
from theory.partition import AxisPartition, make_partition, parse_blocks, parse_mirrored_blocks
from theory.primitives import Apply


@dataclass(frozen=True)
class Conditions:
    """Where training starts.

    Args:
        architecture: the network, with its frozen units.
        partition: clones, mirrored clones and zero units.
        points: where the parameters lie.
        words: what the options said.
    """

    architecture: Architecture
    partition: Mapping[str, AxisPartition]
    points: Manifold
    words: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """Is the gradient at every point of ``points`` tangent to ``tangent``?

    Args:
        architecture: the network, with its frozen units.
        points: where the parameters lie.
        tangent: the linear set that must hold the gradient.
        manifold: the set that training then stays in; every translate of it along ``points``
            by normal vectors of ``tangent`` is kept too.
        conditions: what the options said, in words.
    """

    architecture: Architecture
    points: Manifold
    tangent: Manifold
    manifold: Manifold
    conditions: tuple[str, ...]


def parse_freeze(text: str) -> tuple[str, int, Fraction]:
    """An axis, a unit and its constant from ``h:3=0``.

    Raises:
        OptionError: if the text does not have that form.

    >>> parse_freeze("h:3=-1/2")
    ('h', 3, Fraction(-1, 2))
    >>> parse_freeze("h:3=nan")
    Traceback (most recent call last):
    proofs_check.errors.OptionError: --freeze 'h:3=nan': 'nan' is not a rational number like 0,
        1/2 or -0.25; a frozen unit is written h:3=0
    """
    place, equals, value = text.partition("=")
    axis, _, unit = place.rpartition(":")
    form = "a frozen unit is written h:3=0"
    if not equals or not axis or not unit.strip().isdecimal():
        raise OptionError(f"--freeze {text!r}: {form}")
    try:
        return axis.strip(), int(unit), Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise OptionError(
            f"--freeze {text!r}: {value!r} is not a rational number like 0, 1/2 or -0.25; {form}"
        ) from None


def parse_zero(text: str) -> tuple[str, int]:
    """An axis and a unit from ``h:3``.

    Raises:
        OptionError: if the text does not have that form.

    >>> parse_zero("h:3")
    ('h', 3)
    """
    axis, _, unit = text.rpartition(":")
    if not axis.strip() or not (unit.strip().isascii() and unit.strip().isdecimal()):
        raise OptionError(f"--zero {text!r}: a zero unit is written h:3")
    return axis.strip(), int(unit)


def make_conditions(
    architecture: Architecture,
    clones: Sequence[str] = (),
    freezes: Sequence[str] = (),
    mirrors: Sequence[str] = (),
    zeros: Sequence[str] = (),
) -> Conditions:
    """The conditions that ``--clone h=0,1/2,3``, ``--freeze h:3=0`` and their like set.

    Clones lie on IE∩OE; with mirrored clones (``--mirror h=0,-1``) and zero units (``--zero h:3``)
    that is the signed set. Zero units alone have no weight and no bias. Frozen units restrict the
    data, not the parameters.

    Raises:
        OptionError: if an option is malformed, an axis or a unit comes twice, or clones are frozen
            at values that they do not share, or not all of them: there are no such data.
        PartitionError: if blocks overlap, leave their axis, or the axis is unknown.
        ArchitectureError: if a frozen unit is unknown.

    >>> from theory.zoo import from_name
    >>> conditions = make_conditions(from_name("mlp:3-4-4-2"), ["h1=0,1"])
    >>> conditions.points, conditions.words
    (IE∩OE: dimension 38 of 46, ('clones h1=0,1',))
    """
    partition = _partition(architecture, clones, mirrors, zeros)
    met: set[tuple[str, int]] = set()
    for text in freezes:
        axis, unit, value = parse_freeze(text)
        if (axis, unit) in met:
            raise OptionError(f"--freeze {text!r}: unit {unit} of {axis!r} is frozen already")
        met.add((axis, unit))
        architecture = architecture.freeze(axis, unit, value)
    _check_frozen_blocks(architecture, partition)
    if clones or mirrors:
        points: Manifold = equitable(architecture, partition)
    elif zeros:
        points = zero(architecture, {axis: own.zero for axis, own in partition.items()})
    else:
        points = ambient(architecture)
    words = tuple(
        f"{word} {text}"
        for word, texts in (
            ("clones", clones),
            ("mirrored clones", mirrors),
            ("zero", zeros),
            ("frozen", freezes),
        )
        for text in texts
    )
    return Conditions(architecture, partition, points, words)


def make_question(
    architecture: Architecture,
    clones: Sequence[str] = (),
    freezes: Sequence[str] = (),
    mirrors: Sequence[str] = (),
    zeros: Sequence[str] = (),
) -> Question:
    """The question that ``--clone h=0,1/2,3``, ``--freeze h:3=0`` and their like ask.

    Clones alone: on IE∩OE the gradient lies in BC, so every leaf is kept. With mirrored clones
    (``--mirror h=0,-1``) and zero units (``--zero h:3``) these are the signed sets, in which all
    entries of BC are 0 at zero units. Frozen units alone: at every point the gradient lies in the
    trap. Both: on IE∩OE it lies in their intersection.

    Raises:
        OptionError: if there are no options, an axis or a unit comes twice, the conditions hold
            for all parameters, clones are frozen at values that they do not share, or not all of
            them, so that there are no such data, or what frozen units conserve is not described
            for this kind of network.
        PartitionError: if blocks overlap, leave their axis, or the axis is unknown.
        ArchitectureError: if a frozen unit is unknown, or a constant unit means nothing there.

    >>> from theory.zoo import from_name
    >>> question = make_question(from_name("mlp:3-4-4-2"), freezes=["h1:0=0"])
    >>> question.manifold.dimension
    38
    """
    asked = [
        f"--{option} {text}"
        for option, texts in (
            ("clone", clones),
            ("mirror", mirrors),
            ("zero", zeros),
            ("freeze", freezes),
        )
        for text in texts
    ]
    if not asked:
        raise OptionError(
            "nothing to prove: give --clone h=0,1/2,3, --mirror h=0,-1, --zero h:3 or --freeze "
            "h:3=0"
        )
    start = make_conditions(architecture, clones, freezes, mirrors, zeros)
    tangents: list[Manifold] = []
    manifolds: list[Manifold] = []
    if clones or mirrors or zeros:
        is_cloned = clones or mirrors
        tangents = (
            [block_constant(start.architecture, start.partition)] if is_cloned else [start.points]
        )
        manifolds = [start.points]
    if freezes:
        tangents.append(_trap(start.architecture, " ".join(asked)))
        manifolds.append(tangents[-1])
    manifold = reduce(intersect, manifolds)
    if not manifold.codimension:
        raise OptionError(
            f"{' '.join(asked)}: holds for all {architecture.num_parameters} parameters, so there "
            "is nothing to prove; a block has two units or more, along an axis of some parameter"
        )
    return Question(
        start.architecture, start.points, reduce(intersect, tangents), manifold, start.words
    )


def _trap(architecture: Architecture, asked: str) -> Manifold:
    try:
        return trap(architecture)
    except ManifoldError as error:
        architecture.graph()  # raises if a constant unit means nothing there; discover would too
        raise OptionError(
            f"{asked}: {architecture.name}: {error}; for any network, lop discover TARGET {asked} "
            "finds and proves what training conserves"
        ) from None


def _partition(
    architecture: Architecture,
    clones: Sequence[str],
    mirrors: Sequence[str],
    zeros: Sequence[str],
) -> dict[str, AxisPartition]:
    """The partition that options ask for; a unit is in one of them at most."""
    blocks: dict[str, list[list[int]]] = {}
    signs: dict[str, dict[int, int]] = {}
    for option, texts in (("clone", clones), ("mirror", mirrors)):
        for text in texts:
            if option == "clone":
                axis, own = parse_blocks(text)
            else:
                axis, own, signs_here = parse_mirrored_blocks(text)
                signs[axis] = signs_here
            if axis in blocks:
                raise OptionError(
                    f"--{option} {text!r}: axis {axis!r} has blocks already; blocks of one "
                    "axis are separated by /, and --mirror takes unmirrored ones too"
                )
            blocks[axis] = own
    nothing: dict[str, list[int]] = {}
    for text in zeros:
        axis, unit = parse_zero(text)
        if unit in nothing.setdefault(axis, []):
            raise OptionError(f"--zero {text!r}: unit {unit} of {axis!r} is zero already")
        if any(unit in block for block in blocks.get(axis, ())):
            raise OptionError(f"--zero {text!r}: unit {unit} of {axis!r} is a clone already")
        nothing[axis].append(unit)
    return make_partition(architecture.sizes, blocks, signs=signs, zero=nothing)


def _check_frozen_blocks(
    architecture: Architecture, partition: Mapping[str, AxisPartition]
) -> None:
    """Do clones share what they are frozen at, up to their signs, and zero units 0?

    Raises:
        OptionError: if not.
    """
    for axis, units in architecture.frozen.items():
        own = partition[axis]
        for block in own.blocks:
            if len({units[u] * own.signs[u] if u in units else None for u in block}) > 1:
                raise OptionError(
                    f"axis {axis!r}: of the clones {', '.join(map(str, block))} some are frozen "
                    "and others are not, or at another value; clones have equal values, mirrored "
                    "ones opposite values, so freeze all of them alike"
                )
        for unit in own.zero:
            if units.get(unit):
                raise OptionError(
                    f"axis {axis!r}: unit {unit} is a zero unit, so it cannot be frozen at "
                    f"{units[unit]}"
                )


def function_symbols(architecture: Architecture) -> dict[str, bool]:
    """The function symbols of a network, and whether each is a known function.

    >>> from theory.zoo import from_name
    >>> function_symbols(from_name("mlp:3-4-2")), function_symbols(from_name("mlp:3-4-2:tanh"))
    ({'phi': False}, {'tanh': True})
    """
    applied = (node.primitive for node in architecture.graph().nodes)
    return {p.activation.name: p.activation.is_known for p in applied if isinstance(p, Apply)}
