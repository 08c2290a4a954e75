"""A network with one unit split into copies, and the coordinates in which its Hessian separates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import sympy

from theory.architecture import Architecture
from theory.stability.explicit_loss import Direction, Entry, Signals, explicit_loss

Source = tuple[str, tuple[int, ...]]  # a parameter, and the index of a source where it has any
Target = tuple[str, int]  # a parameter and the index of a target


class SplitNetwork:
    """The split network at the split point, with the directions of its coordinates.

    Args:
        base: the network before the split.
        axis: whose first unit is split.
        shares: λ_1, …, λ_m.
        batch: number of samples.
        of: signals of the base network.
    """

    def __init__(
        self,
        base: Architecture,
        axis: str,
        shares: tuple[sympy.Expr, ...],
        batch: int,
        of: Mapping[str, Signals],
    ) -> None:
        self.base, self.axis, self.shares, self.of = base, axis, shares, of
        self.copies = len(shares)
        sizes = {**base.sizes, axis: base.sizes[axis] + self.copies - 1}
        network = replace(base, sizes=sizes, name=f"{base.name}, split")
        self.loss = explicit_loss(network, batch)
        self.base_loss = explicit_loss(base, batch)
        # Both networks number their entries from 1, so the base's symbols get another letter.
        self.renamed = {
            symbol: sympy.Symbol(f"{symbol.name}'")
            for array in self.base_loss.parameters.values()
            for symbol in array.flat
        }
        self.substitution = {
            symbol: share * self.renamed[self.base_loss.symbol((p, e))]
            for p, axes in network.parameters.items()
            for symbol, (e, share) in zip(
                self.loss.parameters[p].flat, self._origins(p, axes), strict=True
            )
        }

    def _origins(self, p: str, axes: tuple[str, ...]) -> Iterator[tuple[int, sympy.Expr]]:
        """For every entry of the split network, the base's entry and the share of it."""
        shape = self.base_loss.parameters[p].shape
        for index in np.ndindex(*self.loss.parameters[p].shape):
            place = [
                max(0, k - self.copies + 1) if a == self.axis else k
                for a, k in zip(axes, index, strict=True)
            ]
            is_copy = axes[0] == self.axis and len(axes) == 2 and index[0] < self.copies
            share = self.shares[index[0]] if is_copy else sympy.Integer(1)
            yield int(np.ravel_multi_index(place, shape)), share

    @property
    def sources(self) -> list[tuple[Source, list[sympy.Expr]]]:
        """Incoming weights of the unit, with what they multiply in each sample."""
        found: list[tuple[Source, list[sympy.Expr]]] = []
        for p, axes in self.base.parameters.items():
            if axes == (self.axis,):
                found.append(((p, ()), [sympy.Integer(1)] * len(self.of[self.axis].z)))
            elif axes[-1] == self.axis:
                values = self.of[axes[0]].h
                found += [((p, (j,)), list(values[:, j])) for j in range(values.shape[1])]
        return found

    @property
    def targets(self) -> list[tuple[Target, list[sympy.Expr]]]:
        """Outgoing weights of the unit, with the adjoint δ of their targets in each sample."""
        found = []
        for p, axes in self.base.parameters.items():
            if len(axes) == 2 and axes[0] == self.axis:
                adjoints = self.of[axes[1]].delta
                found += [((p, k), list(adjoints[:, k])) for k in range(adjoints.shape[1])]
        return found

    def incoming(self, place: Source, copy: int) -> Entry:
        """An incoming weight of a copy."""
        p, source = place
        return p, int(np.ravel_multi_index((*source, copy), self.loss.parameters[p].shape))

    def eta(self, place: Source, i: int) -> Direction:
        """η = e_i - λ_i 1: the copies' incoming weights move apart, Σ λ η = 0."""
        terms = {
            self.incoming(place, k): (1 if k == i else 0) - self.shares[i]
            for k in range(self.copies)
        }
        return Direction(terms, rf"\eta_{{{i + 1}}}")

    def zeta(self, place: Target, i: int) -> Direction:
        """ζ = e_i - e_m: outgoing weights move from the last copy to another."""
        p, target = place
        width = self.loss.parameters[p].shape[1]
        terms = {(p, i * width + target): 1, (p, (self.copies - 1) * width + target): -1}
        return Direction(terms, rf"\zeta_{{{i + 1}}}")

    def base_entry(self, place: Source) -> Entry:
        """An incoming weight of the base's unit."""
        p, source = place
        return p, int(np.ravel_multi_index((*source, 0), self.base_loss.parameters[p].shape))

    def of_base(self, entry: Entry) -> Direction:
        """The direction that moves the split network as an entry of the base moves the base."""
        p, e = entry
        origins = self._origins(p, self.base.parameters[p])
        terms = {(p, k): share for k, (origin, share) in enumerate(origins) if origin == e}
        return Direction(terms, rf"\beta_{{{self.base_loss.symbol(entry)}}}")
