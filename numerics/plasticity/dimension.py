"""The plasticity dimension of a network (N6), found in a prime field and proved in others.

The smallest V with ∇ℓ(θ'; x, adjoint) ∈ V for all θ' ∈ θ + V, all inputs and all output adjoints
is what any method whose steps combine past gradients can ever use from θ. Its dimension is the
plasticity dimension of θ. What annihilates V is conserved.

*From below, with certainty.* At a uniform θ of a manifold over GF(p), V starts as 0 and takes up
gradients at random points of θ + V until ``margin`` fresh ones lie in it. All are gradients of one
loss function each, for one choice of the function symbols, of points that such gradients reach; the
rank of numbers never exceeds the rank of the formulas that they are values of. So r is at most the
dimension at generic θ for generic functions. A known function, such as ReLU, is one function: where
it satisfies more identities than its algebra in the fields, the dimension may be less than r.

*From above, with error at most 2⁻ᵏ.* One prime cannot show that r is not too small: the chance of
an unlucky θ or p is bounded by about r D/p only, D the degree of a gradient. But the functionals
that annihilate V, lifted to rational numbers, do not depend on θ or p any more. They are tested at
fresh points of the manifold plus their own kernel, over as many fresh primes as the error asks for,
under all functions at once (:func:`numerics.plasticity.functionals.prove_conserved`). If all P - r
of them hold, the generic dimension is r, and at no point of the manifold, for no function that the
symbols may stand for, is it more. If some do not hold or are no small fractions (they may depend on
θ or on values such as φ(0)), then the dimension is between r and P minus the number that hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np

from numerics.exact import tangency_graph
from numerics.identity import vanishes
from numerics.keys import keyed_words
from numerics.plasticity.echelon import RowSpace
from numerics.plasticity.functionals import Functional, prove_conserved, rational_annihilator
from numerics.plasticity.span import Adjoints, RandomGradients, generic_batch, uniform_points
from numerics.primes import random_primes
from numerics.systems.prime import PrimeField
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.errors import ManifoldError, ValueSystemError
from theory.html_table import html_table
from theory.manifold.affine import ambient
from theory.manifold.base import Manifold, SparseVector
from theory.primitives import Apply

MARGIN = 8

OnProgress = Callable[[int, int], None]  # dimension so far, number of parameters


@dataclass(frozen=True, slots=True)
class PlasticityResult:
    """The plasticity dimension at generic points of a manifold.

    Attributes:
        dimension: r, at most the generic dimension for generic functions.
        num_parameters: P.
        conserved: linear functionals of the parameters that are conserved from every point of the
            manifold, linearly independent, so the dimension is at most P minus their number.
        bits: k in: the chance that one of them is not conserved is at most 2^-k; ``None`` if that
            could not be shown.
        batch: number of samples of a loss.
        adjoints: which output adjoints there are.
        manifold: name of the set of points.
        gradients: how many were drawn.
        margin: how many of them, the last ones, did not enlarge the space.
        prime: in whose field they were computed.
        seed: of everything random.
        known_functions: those of the network that are read by their algebra alone. An identity
            beyond it, such as relu(2z) = 2 relu(z), may lower the dimension, never raise it.
    """

    dimension: int
    num_parameters: int
    conserved: tuple[SparseVector, ...]
    bits: float | None
    batch: int
    adjoints: Adjoints
    manifold: str
    gradients: int
    margin: int
    prime: int
    seed: int
    known_functions: tuple[str, ...] = ()

    @property
    def upper(self) -> int:
        """The largest dimension that is not excluded."""
        return self.num_parameters - (0 if self.bits is None else len(self.conserved))

    @property
    def is_proved(self) -> bool:
        """Whether it is at most r, for generic functions r, with error at most 2^-bits."""
        return self.bits is not None and self.upper == self.dimension

    def summary(self) -> str:
        """One sentence.

        >>> from theory.zoo import mlp
        >>> plasticity_dimension(mlp([3, 4, 4, 2]).freeze("h1", 0)).summary().split(" ≤")[0]
        'plasticity dimension 38 of 46 parameters, proved with error'
        """
        head = f"plasticity dimension {self.dimension} of {self.num_parameters} parameters"
        if self.batch > 1:
            head += f" for batches of {self.batch} samples"
        if not self.is_proved or self.bits is None:
            return f"{head}, observed; not more than {self.upper}, and generically not less"
        head += f", proved with error ≤ 2^-{int(self.bits)}"
        if not self.known_functions:
            return head
        names = ", ".join(self.known_functions)
        return f"{head} from the algebra of {names}, whose other identities may lower it"

    def _repr_html_(self) -> str:
        rows = [
            ("points", self.manifold),
            ("adjoints", self.adjoints),
            ("samples", self.batch),
            ("conserved functionals", len(self.conserved)),
            ("gradients", f"{self.gradients:,}"),
            ("prime", f"{self.prime:,}"),
            ("seed", self.seed),
        ]
        return html_table(self.summary(), (), rows, len(rows))


def plasticity_dimension(
    architecture: Architecture,
    manifold: Manifold | None = None,
    *,
    adjoints: Adjoints = "all",
    batch: int | None = None,
    bits: float = 60,
    margin: int = MARGIN,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> PlasticityResult:
    """The dimension of the smallest V with ∇ℓ ∈ V everywhere on θ + V, θ generic on a manifold.

    Args:
        architecture: the network.
        manifold: where θ lies; by default anywhere.
        adjoints: ``"all"`` output adjoints, or those of ``"cross-entropy"`` behind softmax.
        batch: samples of a loss, by default 1, or 4 where samples are coupled.
        bits: what is proved is wrong with chance at most 2^-bits.
        margin: so many gradients in a row that lie in V end the search.
        seed: of primes, points, data and functions.
        on_progress: told the dimension so far and P after every block of gradients.

    Raises:
        ManifoldError: if manifold and architecture have different parameters.
        ArchitectureError: if adjoints are restricted along an output axis that does not exist.
        ValueSystemError: if the architecture holds a function or constant without a model, or a
            divisor vanishes at every point that is tried.

    >>> from theory.manifold import equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 4, 2])
    >>> pairs = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1], [2, 3]]})
    >>> plasticity_dimension(net, equitable(net, pairs)).dimension
    20
    """
    points = manifold or ambient(architecture)
    if dict(points.shapes) != architecture.parameter_shapes:
        raise ManifoldError(f"{points.name} and {architecture.name} have different parameters")
    if batch is None:
        batch = generic_batch(architecture)
    field = PrimeField(random_primes(1, seed), seed)
    gradients = RandomGradients(architecture, field, batch, adjoints)
    space, drawn = _closure(gradients, points, margin, on_progress)
    proved, error_bits = _proved(
        architecture, points, rational_annihilator(space), batch, adjoints, bits, seed
    )
    return PlasticityResult(
        dimension=space.rank,
        num_parameters=architecture.num_parameters,
        conserved=tuple(_by_parameter(architecture, f) for f in proved),
        bits=error_bits,
        batch=batch,
        adjoints=adjoints,
        manifold=points.name,
        gradients=drawn,
        margin=margin,
        prime=field.primes[0],
        seed=seed,
        known_functions=_known_functions(architecture),
    )


def _known_functions(architecture: Architecture) -> tuple[str, ...]:
    symbols = [
        node.primitive.activation
        for node in architecture.graph().nodes
        if isinstance(node.primitive, Apply)
    ]
    return tuple(dict.fromkeys(repr(symbol) for symbol in symbols if symbol.is_known))


def _closure(
    gradients: RandomGradients, manifold: Manifold, margin: int, on_progress: OnProgress | None
) -> tuple[RowSpace, int]:
    """V for one uniform θ, and how many gradients were drawn."""
    architecture, field = gradients.architecture, gradients.field
    length = architecture.num_parameters
    base = uniform_points(manifold, architecture.parameter_shapes, field, 1, "point")
    space = RowSpace(field, length)
    drawn, within, is_growing = 0, 0, True
    while space.rank < length and within < margin:
        # a block that lies in V in part says that V is nearly complete: a few more will tell
        wanted = length - space.rank + margin if is_growing else margin - within
        count = min(gradients.block, wanted)

        def reached(stream: str, count: int = count) -> Array:
            if not space.rank:
                return base
            coefficients = field.random((count, space.rank), f"{stream}:along")[0]
            found: Array = field.add(base[None], space.combine(coefficients)[None])[0]
            return found

        grown = space.extend(gradients(reached, count, str(drawn)))
        drawn += count
        is_growing = grown == count
        within = 0 if grown else within + count
        if on_progress is not None:
            on_progress(space.rank, length)
    return space, drawn


def _proved(
    architecture: Architecture,
    manifold: Manifold,
    guesses: list[Functional | None],
    batch: int,
    adjoints: Adjoints,
    bits: float,
    seed: int,
) -> tuple[tuple[Functional, ...], float | None]:
    """The functionals that hold, and the bits of the error; no bits if nothing can be shown."""
    lifted = [f for f in guesses if f is not None]
    # seeds that the guesses do not depend on; that gradients are right is part of the proof
    first, second = keyed_words(2, "conserved", seed)
    channel = tangency_graph(architecture, ambient(architecture), batch)
    try:
        right = vanishes(channel, bits=bits + 1, seed=first)
        held, error_bits = prove_conserved(
            architecture,
            manifold,
            lifted,
            batch=batch,
            adjoints=adjoints,
            bits=bits + 1,
            seed=second,
        )
    except ValueSystemError:
        return (), None
    if right.verdict != "holds":
        return (), None
    return held, -float(np.logaddexp2(-right.bound.bits, -error_bits))  # errors add up


def _by_parameter(architecture: Architecture, functional: Functional) -> SparseVector:
    """A functional with its entries by parameter and flat index, in the order of parameters."""
    shapes = architecture.parameter_shapes
    names = list(shapes)
    starts = np.cumsum([0, *map(prod, shapes.values())])
    columns = [functional.leader, *functional.columns.tolist()]
    terms = dict(zip(columns, (Fraction(1), *functional.values), strict=True))
    found: SparseVector = {}
    for column in sorted(terms):
        k = int(np.searchsorted(starts, column, side="right")) - 1
        found[names[k], column - int(starts[k])] = terms[column]
    return found
