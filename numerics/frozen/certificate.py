"""What can be said about one unit: frozen, by which right; not frozen, with an input; unknown."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor, inf
from typing import Literal

from numerics.systems.system import Array
from theory.errors import ValueSystemError
from theory.html_table import html_table

Grade = Literal["domain", "radius", "persistent"]
Unit = tuple[str, int]  # axis and index


@dataclass(frozen=True, eq=False)
class FrozenCertificate:
    """A proof that a ReLU unit's pre-activation is not positive.

    Attributes:
        unit: axis and index.
        grade: ``domain``, ``radius`` or ``persistent``.
        domain: the inputs it is about, in words.
        bound: z ≤ bound for all these inputs, and for all parameters that the grade allows.
        radius: how far any other parameter may be from its present value, entry by entry; 0 at
            grade ``domain``, infinite at ``persistent``. All parameters within this distance in
            the Euclidean norm are among them.
        why: the proof in words.
        together_with: at grade ``persistent``, units that are frozen for ever with it and whose
            own parameters therefore do not move: the proof uses that.
    """

    unit: Unit
    grade: Grade
    domain: str
    bound: float
    radius: float
    why: str
    together_with: tuple[Unit, ...] = ()

    def steps(self, largest_update: float) -> float:
        """For how many steps at least the unit stays frozen: ``⌊r/largest_update⌋``.

        Args:
            largest_update: the most by which a step changes an entry of a parameter.

        Raises:
            ValueSystemError: if it is not positive.
        """
        if not largest_update > 0:
            raise ValueSystemError(f"largest_update={largest_update}: an update is positive")
        steps = self.radius / largest_update
        return steps if steps == inf else floor(steps * (1 - 2.0**-50))

    def __str__(self) -> str:
        axis, index = self.unit
        lasting = {
            "persistent": "for ever",
            "radius": f"while no other parameter moves by more than {self.radius:.3g}",
            "domain": "at these parameters",
        }[self.grade]
        return f"{axis}[{index}] is frozen {lasting}, on {self.domain}: {self.why}"

    def _repr_html_(self) -> str:
        rows = (
            ("grade", self.grade),
            ("on", self.domain),
            ("z at most", f"{self.bound:.6g}"),
            ("radius", f"{self.radius:.6g}"),
        )
        return html_table(str(self), (), rows, len(rows))


@dataclass(frozen=True, eq=False)
class NotFrozen:
    """An input of the domain at which the unit's pre-activation is positive.

    Attributes:
        unit: axis and index.
        domain: the inputs in question, in words.
        counterexample: an input ``(*inputs)``.
        sample: its index, where the domain is data.
        pre_activation: a proved lower bound of z there (at the place where it is largest).
        exact: z itself, a rational number, where the network computes one.
    """

    unit: Unit
    domain: str
    counterexample: Array
    sample: int | None
    pre_activation: float
    exact: Fraction | None

    def __str__(self) -> str:
        axis, index = self.unit
        where = "an input" if self.sample is None else f"sample {self.sample}"
        value = f"z ≥ {self.pre_activation:.6g}" if self.pre_activation else f"z = {self.exact}"
        return f"{axis}[{index}] is not frozen on {self.domain}: at {where}, {value} > 0"

    def _repr_html_(self) -> str:
        rows = [("x", f"{self.counterexample.ravel()[:8]}"), ("z ≥", f"{self.pre_activation:.6g}")]
        return html_table(str(self), (), rows, len(rows))


@dataclass(frozen=True, eq=False)
class Unknown:
    """Neither proved nor refuted.

    Attributes:
        unit: axis and index.
        domain: the inputs in question, in words.
        bound: z ≤ bound on the domain, which is positive.
        largest: the largest value of z that was met.
        why: what stood in the way.
    """

    unit: Unit
    domain: str
    bound: float
    largest: float
    why: str

    def __str__(self) -> str:
        axis, index = self.unit
        found = f"z ≤ {self.bound:.6g} is proved, {self.largest:.6g} the largest value found"
        return f"whether {axis}[{index}] is frozen on {self.domain} is unknown: {found}; {self.why}"

    def _repr_html_(self) -> str:
        return html_table(str(self), (), (), 0)


Outcome = FrozenCertificate | NotFrozen | Unknown
