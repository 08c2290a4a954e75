"""Is a cloned network's manifold attracting here? The command ``lop stability``.

Signs of transverse eigenvalues are certified where that takes seconds: exactly over the rationals
if the network's functions and the loss are piecewise rational, else in balls. Larger questions are
answered in float64, and called observed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod
from time import perf_counter

import numpy as np

from numerics.losses import MSE
from numerics.spectrum import TransverseBlock, transverse_blocks
from numerics.spectrum.inertia import (
    Eigenvalues,
    EnclosedEigenvalues,
    ExactEigenvalues,
    ObservedEigenvalues,
)
from numerics.spectrum.thresholds import largest_eigenvalue, smallest_eigenvalue
from numerics.systems.ball import Ball
from numerics.systems.float64 import Float64
from numerics.systems.rational import Rational
from numerics.systems.system import Array, NumberSystem
from numerics.train import loss_and_gradient
from proofs_check.question import function_symbols
from proofs_check.stability.exact_zeros import known_nullity
from proofs_check.stability.kinks import num_kinks
from proofs_check.stability.question import StabilityQuestion, first_clones
from proofs_check.stability.result import BlockVerdict, Stability
from theory.architecture import Architecture
from theory.manifold import block_constant, equitable

RATIONAL_FUNCTIONS = frozenset({"relu", "leaky_relu", "step", "reciprocal"})
BITS = 128
MAX_SECONDS = 60.0
# Seen on one core at 128 bits, in seconds: an entry of a graph for a probe; a product behind an
# entry of B or G; a product of the counts, three of them for a block.
PROBED, TWO_SIDED, COUNTED = 2.5e-6, 6e-8, 6e-7

OnProgress = Callable[[str], object]


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # what is not finite is refused
def stability(
    question: StabilityQuestion, on_progress: OnProgress = lambda line: None
) -> Stability:
    """Transverse spectrum, certified signs and thresholds at the point of a question.

    Args:
        question: network, clones, point, data, loss.
        on_progress: told in words what is being done.

    Raises:
        SpectrumError: if the parameters are not block-constant but for rounding, the clones of an
            axis are not exchangeable, or the Hessian is not finite.
        GraphError: if source and target of a parameter are ambiguous.
        ValueSystemError: if a number is not finite.

    >>> from proofs_check.stability.question import make_stability_question
    >>> from theory.zoo import from_name
    >>> asked = make_stability_question(from_name("mlp:2-4-1:tanh"), ["h1=0,1/2,3"])
    >>> found = stability(asked)
    >>> found.level, [c.value for c in found.classes]
    ('enclosed', ['saddle'])
    """
    start = perf_counter()
    net, partition = question.architecture, question.partition
    seen = transverse_blocks(net, partition, question.parameters, question.task, question.loss)
    theta = first_clones(net, partition, question.parameters)
    moved = max(float(np.abs(theta[p] - question.parameters[p]).max()) for p in theta)
    reason = ""
    family: tuple[Eigenvalues, ...]
    system: NumberSystem = Float64()
    seconds = expected_seconds(net, seen, len(question.task.x))
    if seconds > MAX_SECONDS:
        reason = (
            f"certified signs would take about {seconds:,.0f} seconds; fewer samples (--samples) "
            "or clones take less"
        )
        family = tuple(_observed(block, len(question.task.x)) for block in seen)
    else:
        system = _certifying(question)
        family = _certified(question, theta, system, on_progress)
    verdicts = []
    for k, (block, values) in enumerate(zip(seen, family, strict=True)):
        on_progress(f"signs of block {k + 1} of {len(seen)}")
        inertia = values.inertia(-question.decay)
        verdicts.append(BlockVerdict(block, values, inertia, question.decay))
    on_progress("thresholds")
    smallest, largest = smallest_eigenvalue(family), largest_eigenvalue(family)
    mixed = equitable(net, partition).dimension - block_constant(net, partition).dimension
    return Stability(
        question,
        tuple(verdicts),
        mixed,
        smallest,
        largest,
        _gradient_norm(question, theta),
        moved,
        num_kinks(net, theta, question.task.x, system),
        perf_counter() - start,
        reason,
    )


def expected_seconds(net: Architecture, blocks: tuple[TransverseBlock, ...], samples: int) -> float:
    """For certified signs of blocks like these, roughly."""
    rows = [len(block.labels) for block in blocks]
    counted = COUNTED * sum(float(n) ** 3 for n in rows)
    two_sided = [n for n, b in zip(rows, blocks, strict=True) if b.is_two_sided]
    probed = [n for n, b in zip(rows, blocks, strict=True) if not b.is_two_sided]
    entries = sum(float(prod(node.shape)) for node in net.graph(1).nodes) * samples
    products = TWO_SIDED * samples * sum(float(n) ** 2 for n in two_sided)
    return counted + products + PROBED * entries * max(probed, default=0)


def _certifying(question: StabilityQuestion) -> NumberSystem:
    names = set(function_symbols(question.architecture))
    is_rational = names <= RATIONAL_FUNCTIONS and question.loss is MSE
    return Rational() if is_rational else Ball(BITS)


def _certified(
    question: StabilityQuestion,
    theta: Mapping[str, Array],
    system: NumberSystem,
    on_progress: OnProgress,
) -> tuple[Eigenvalues, ...]:
    on_progress(f"the Hessian in {system.name}")
    blocks = transverse_blocks(
        question.architecture,
        question.partition,
        theta,
        question.task,
        question.loss,
        system=system,
    )
    if isinstance(system, Rational):
        return tuple(
            ExactEigenvalues(b.form, [Fraction(1, int(g)) for g in b.gram]) for b in blocks
        )
    samples = len(question.task.x)
    return tuple(
        EnclosedEigenvalues(
            b.matrix, BITS, known_nullity(question.architecture, b, samples, question.loss)
        )
        for b in blocks
    )


def _observed(block: TransverseBlock, samples: int) -> ObservedEigenvalues:
    values = block.eigenvalues()
    largest = float(np.abs(values).max(initial=0.0))
    terms = len(values) + samples  # of the longest sums behind an entry, and of the solver
    return ObservedEigenvalues(values, terms * float(np.finfo(np.float64).eps) * largest)


def _gradient_norm(question: StabilityQuestion, theta: Mapping[str, Array]) -> float:
    _, slopes = loss_and_gradient(question.architecture, question.loss, theta, question.task)
    pulled = (slopes[p] + float(question.decay) * theta[p] for p in theta)
    return float(np.sqrt(sum(float(np.sum(g**2)) for g in pulled)))
