"""One question asked of one network: does training ever leave this manifold?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import isinf
from time import perf_counter
from typing import Any

from numerics.exact import ExactResult, prove_invariance
from proofs_check.counterexample import Counterexample, find_counterexample
from proofs_check.errors import OptionError
from proofs_check.evidence import Evidence, Level, holds, refuted, unknown
from theory.architecture import Architecture
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


@dataclass(frozen=True)
class Answer:
    """What was found, and for which question."""

    question: Question
    evidence: Evidence
    counterexample: Counterexample | None
    result: ExactResult
    seed: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The answer as ``lop prove --json`` writes it."""
        found = self.evidence.as_json()
        return {
            "verdict": found["verdict"],
            "level": found["level"],
            "error_bound": found["error_bound"],
            "manifold_dimension": self.question.manifold.dimension,
            "parameters": self.question.architecture.num_parameters,
            "counterexample": found["counterexample"],
            "architecture": self.question.architecture.name,
            "seed": self.seed,
            "manifold": self.question.manifold.name,
            "conditions": list(self.question.conditions),
            "scope": found["scope"],
            "detail": found["detail"],
            "seconds": round(self.seconds, 3),
        }


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
            for all parameters, or clones are frozen at values that they do not share, or not all
            of them: there are no such data.
        PartitionError: if blocks overlap, leave their axis, or the axis is unknown.
        ArchitectureError: if a frozen unit is unknown.
        ManifoldError: if frozen units are not described for this kind of network.

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
    partition = _partition(architecture, clones, mirrors, zeros)
    values: dict[tuple[str, int], Fraction] = {}
    for text in freezes:
        axis, unit, value = parse_freeze(text)
        if (axis, unit) in values:
            raise OptionError(f"--freeze {text!r}: unit {unit} of {axis!r} is frozen already")
        values[axis, unit] = value
        architecture = architecture.freeze(axis, unit, value)
    points: list[Manifold] = []
    tangents: list[Manifold] = []
    manifolds: list[Manifold] = []
    if clones or mirrors or zeros:
        _check_frozen_blocks(architecture, partition)
        if clones or mirrors:
            points = [equitable(architecture, partition)]
            tangents = [block_constant(architecture, partition)]
        else:
            points = [zero(architecture, {axis: own.zero for axis, own in partition.items()})]
            tangents = [*points]
        manifolds = [*points]
    if values:
        tangents.append(trap(architecture))
        manifolds.append(tangents[-1])
    manifold = reduce(intersect, manifolds)
    if not manifold.codimension:
        raise OptionError(
            f"{' '.join(asked)}: holds for all {architecture.num_parameters} parameters, so there "
            "is nothing to prove; a block has two units or more, along an axis of some parameter"
        )
    return Question(
        architecture,
        points[0] if points else ambient(architecture),
        reduce(intersect, tangents),
        manifold,
        tuple(
            f"{word} {text}"
            for word, texts in (
                ("clones", clones),
                ("mirrored clones", mirrors),
                ("zero", zeros),
                ("frozen", freezes),
            )
            for text in texts
        ),
    )


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


def answer(question: Question, *, bits: float = 60, seed: int = 0) -> Answer:
    """Prove or refute, and look for a counterexample where the proof fails.

    Args:
        question: what is asked.
        bits: a proof is wrong with a chance of at most 2^-bits.
        seed: of the proof and of the search.

    Raises:
        OptionError: if ``bits`` is not positive or ``seed`` is negative.
        LopError: if the network has no exact model, or the error cannot be reached.

    >>> from theory.zoo import from_name
    >>> net = from_name("mlp:3-4-4-2:tanh")
    >>> answer(make_question(net, ["h1=0,1/2,3", "h2=0,1/2,3"])).as_json()["verdict"]
    'proved'
    """
    if not bits > 0 or isinf(bits):
        raise OptionError(f"--bits {bits}: a bound 2^-bits needs finite bits > 0")
    if seed < 0:
        raise OptionError(f"--seed {seed}: a seed is an integer >= 0")
    start = perf_counter()
    result = prove_invariance(
        question.architecture, question.points, tangent=question.tangent, bits=bits, seed=seed
    )
    counterexample = None
    if result.verdict == "refuted":
        counterexample = find_counterexample(
            question.architecture,
            question.points,
            question.tangent,
            batch=result.batch,
            seed=seed,
        )
    evidence = _evidence(question, result, counterexample)
    return Answer(question, evidence, counterexample, result, seed, perf_counter() - start)


def _evidence(
    question: Question, result: ExactResult, counterexample: Counterexample | None
) -> Evidence:
    symbols = _symbols(question.architecture)
    unknown_symbols = [name for name, known in symbols.items() if not known]
    every = [f"every smooth {name}" for name in unknown_symbols]
    scope = ", ".join([_data(question, result.batch), "every differentiable loss", *every])
    figures: Mapping[str, int] = {
        "fields": len(result.primes),
        "manifold dimension": question.manifold.dimension,
    }
    detail = _detail(result)
    if result.verdict == "proved" and isinf(result.error_bits):
        return holds(Level.PROVED, scope, detail, figures=figures)
    if result.verdict == "proved":
        return holds(
            Level.PROVED_WITH_ERROR, scope, detail, error_bits=result.error_bits, figures=figures
        )
    if counterexample is not None:
        return refuted(
            scope,
            detail,
            counterexample=counterexample.numbers,
            level=counterexample.level,
            figures=figures,
        )
    if result.verdict == "refuted" and len(unknown_symbols) == len(symbols):
        return refuted(scope, f"{detail}; no counterexample in numbers was found", figures=figures)
    if result.verdict == "refuted":
        # The field reads a known function by its algebra alone, which others share.
        known = ", ".join(name for name, is_known in symbols.items() if is_known)
        return unknown(
            scope,
            f"{detail}, for functions with the algebra of {known}; "
            "no counterexample with these functions themselves was found",
            figures=figures,
        )
    return unknown(scope, detail, figures=figures)


def _data(question: Question, batch: int) -> str:
    """For which data an answer holds."""
    samples = "input and label" if batch == 1 else f"batch of {batch} inputs and labels"
    held = [
        f"{axis}[{unit}] is constantly {value}"
        for axis, units in question.architecture.frozen.items()
        for unit, value in units.items()
    ]
    return f"every {samples}" + (f" on which {' and '.join(held)}" if held else "")


def _detail(result: ExactResult) -> str:
    law = f"the gradient on {result.manifold} is tangent to {result.tangent}"
    match result.verdict:
        case "proved":
            return f"{law} in {len(result.primes)} random prime fields"
        case "refuted":
            return f"not everywhere: {law}; it fails in {', '.join(result.failing)}"
        case _:
            return result.summary()


def _symbols(architecture: Architecture) -> dict[str, bool]:
    """The function symbols of a network, and whether each is a known function."""
    applied = (node.primitive for node in architecture.graph().nodes)
    return {p.activation.name: p.activation.is_known for p in applied if isinstance(p, Apply)}
