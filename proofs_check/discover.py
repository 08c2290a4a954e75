"""Of all directions in parameter space, which can training use? The command ``lop discover``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf, prod
from time import perf_counter
from typing import Any

from numerics.plasticity.dimension import OnProgress, PlasticityResult, plasticity_dimension
from numerics.plasticity.span import Adjoints
from numerics.systems.system import Array
from proofs_check.errors import OptionError
from proofs_check.evidence import error_bound
from proofs_check.numerical_rank import NumericalRank, numerical_rank
from proofs_check.question import make_conditions
from theory.architecture import Architecture
from theory.conserved import Group, conserved_groups
from theory.manifold.base import SparseVector

ADJOINTS: tuple[Adjoints, ...] = ("all", "cross-entropy")
MAX_PARAMETERS = 50_000  # hours, and gigabytes for the square of their number
SILENCE = 3.0  # seconds between two reports of progress


@dataclass
class Ticker:
    """Reports progress as lines, but no more often than every three seconds.

    Args:
        write: where a line goes.
    """

    write: Callable[[str], object]
    last: float = field(default_factory=perf_counter)

    def __call__(self, dimension: int, parameters: int) -> None:
        """Say how far the search is."""
        if perf_counter() - self.last >= SILENCE:
            self.last = perf_counter()
            self.write(f"at least {dimension:,} of {parameters:,} dimensions")


@dataclass(frozen=True)
class Discovery:
    """The plasticity dimension of a network, and what it conserves."""

    architecture: Architecture
    result: PlasticityResult
    groups: tuple[Group, ...]
    conditions: tuple[str, ...]
    seconds: float
    at_weights: NumericalRank | None = None

    @property
    def unexplained(self) -> int:
        """Dimensions that are missing from the space of gradients without a proved functional."""
        return self.result.num_parameters - self.result.dimension - len(self.result.conserved)

    def as_json(self) -> dict[str, Any]:
        """The answer as ``lop discover --json`` writes it."""
        result = self.result
        proved = result.is_proved and result.bits is not None
        return {
            "parameters": result.num_parameters,
            "plasticity_dimension": result.dimension,
            "upper_bound": result.upper,
            "level": "proved with error" if proved else "observed",
            "error_bound": error_bound(result.bits) if proved and result.bits else None,
            "conserved": [
                {
                    "kind": group.kind,
                    "text": group.text,
                    "dimension": group.dimension,
                    "functional": [self._named(f) for f in group.functionals],
                }
                for group in self.groups
            ],
            "unexplained": self.unexplained,
            "at_weights": self.at_weights.as_json() if self.at_weights else None,
            "architecture": self.architecture.name,
            "points": result.manifold,
            "conditions": list(self.conditions),
            "adjoints": result.adjoints,
            "batch": result.batch,
            "gradients": result.gradients,
            "seed": result.seed,
            "seconds": round(self.seconds, 3),
        }

    def _named(self, functional: SparseVector) -> dict[str, str]:
        shapes = self.architecture.parameter_shapes
        return {_entry(p, e, shapes[p]): str(c) for (p, e), c in functional.items()}

    def lines(self) -> list[str]:
        """The answer as a person reads it."""
        result = self.result
        samples = "one sample" if result.batch == 1 else f"batches of {result.batch} samples"
        losses = "every loss" if result.adjoints == "all" else "cross-entropy on the last axis"
        found = [
            result.summary(),
            f"  network      {self.architecture.name}",
            f"  from         a generic point of {result.manifold}",
            *(f"  condition    {text}" for text in self.conditions),
            f"  for          all data, {losses}, {samples}",
            f"  gradients    {result.gradients:,} in one prime field",
            f"  time         {self.seconds:.2f} s",
        ]
        if self.groups:
            width = max(len(group.kind) for group in self.groups)
            digits = max(len(str(group.dimension)) for group in self.groups)
            found.append("conserved by training (dimensions, kind, law):")
            found += [
                f"  {g.dimension:>{digits}}  {g.kind:<{width}}  {g.text}" for g in self.groups
            ]
        elif not self.unexplained and result.known_functions:
            names = ", ".join(result.known_functions)
            found.append(f"by the algebra of {names} alone nothing linear is conserved")
        elif not self.unexplained:
            found.append("nothing linear is conserved: training can use every parameter")
        if self.unexplained:
            found.append(
                f"  {self.unexplained} more dimensions were not met; what they conserve depends on "
                "the point or on the functions, or was not proved"
            )
        return found + (self.at_weights.lines() if self.at_weights else [])


def discover(
    architecture: Architecture,
    clones: Sequence[str] = (),
    freezes: Sequence[str] = (),
    mirrors: Sequence[str] = (),
    zeros: Sequence[str] = (),
    *,
    adjoints: str = "all",
    batch: int | None = None,
    bits: float = 60,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    parameters: Mapping[str, Array] | None = None,
    data: Array | None = None,
) -> Discovery:
    """What ``lop discover TARGET --clone h=0,1/2,3 --freeze h:3=0`` asks.

    Args:
        architecture: the network.
        clones: from a generic point with these clones, on IE∩OE.
        freezes: units that are constant on all data.
        mirrors: clones some of which have the opposite value.
        zeros: units whose weights and biases are 0.
        adjoints: ``all``, or those that ``cross-entropy`` gives.
        batch: samples of a loss; by default 1, or 4 where samples are coupled.
        bits: what is proved is wrong with a chance of at most 2^-bits.
        seed: of everything random.
        on_progress: told the dimension so far and the number of parameters.
        parameters: real weights, around which the numerical rank is taken too.
        data: samples ``(samples, *inputs)`` for it, by default normal ones.

    Raises:
        OptionError: if an option is malformed or comes twice for one axis or unit, or the network
            has more than 50,000 parameters.
        ArraysError: if weights or data do not fit the network, or it has no values.
        LopError: if the network cannot be used: see :func:`numerics.plasticity.dimension`.

    >>> from theory.zoo import from_name
    >>> for line in discover(from_name("mlp:3-4-4-2"), freezes=["h1:0=2"]).lines()[-3:]:
    ...     print(line)
      3  never learns  W1[:, 0]
      1  never learns  b1[0]
      4  trap          W2[0, :] - 2 b2 (all 4 entries)
    """
    kinds = {name: name for name in ADJOINTS}
    if adjoints not in kinds:
        raise OptionError(f"--adjoints {adjoints!r}: there are {', '.join(ADJOINTS)}")
    if not bits > 0 or isinf(bits):
        raise OptionError(f"--bits {bits}: a bound 2^-bits needs finite bits > 0")
    if batch is not None and batch < 1:
        raise OptionError(f"--batch {batch}: a loss has at least one sample")
    if architecture.num_parameters > MAX_PARAMETERS:
        raise OptionError(
            f"{architecture.name}: {architecture.num_parameters:,} parameters, and the time grows "
            f"with their cube: at most {MAX_PARAMETERS:,}; take a narrower network, or ask lop "
            "prove about one manifold"
        )
    conditions = make_conditions(architecture, clones, freezes, mirrors, zeros)
    if data is not None and parameters is None:
        raise OptionError("--data: real data are for real weights: give --parameters too")
    network = conditions.architecture
    start = perf_counter()
    result = plasticity_dimension(
        network,
        conditions.points,
        adjoints=kinds[adjoints],
        batch=batch,
        bits=bits,
        seed=seed,
        on_progress=on_progress,
    )
    groups = conserved_groups(result.conserved, network.parameters, network.sizes)
    weights = None
    if parameters is not None:
        weights = numerical_rank(conditions, result, parameters, data)
    seconds = perf_counter() - start
    return Discovery(network, result, groups, conditions.words, seconds, weights)


def _entry(parameter: str, flat: int, shape: tuple[int, ...]) -> str:
    index = []
    for k in range(len(shape)):
        index.append(flat // prod(shape[k + 1 :]) % shape[k])
    return f"{parameter}[{', '.join(map(str, index))}]" if shape else parameter
