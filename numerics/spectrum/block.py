"""One transverse block: the Hessian where the clones of one block part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from flint import arb

from numerics.spectrum.errors import SpectrumError
from numerics.spectrum.normal_space import Component
from numerics.spectrum.panel import RowLabel
from numerics.systems.ball import Ball
from numerics.systems.system import Array, NumberSystem


@dataclass(frozen=True)
class Factored:
    """The symmetric matrix Q K Qᵀ of low rank.

    Attributes:
        basis: Q ``(…, rows, r)`` with orthonormal columns.
        core: K ``(…, r, r)``.
    """

    basis: Array
    core: Array

    def dense(self) -> Array:
        """Q K Qᵀ."""
        result: Array = self.basis @ self.core @ np.swapaxes(self.basis, -1, -2)
        return result


@dataclass(frozen=True, eq=False)
class TransverseBlock:
    r"""M_i of theorem N3, or ∇²₁₁L - ∇²₁₂L for clones of any layer, with its multiplicity.

    The rows are the directions of :mod:`numerics.spectrum.panel`. ``form`` has the entries
    :math:`n_r^T H n_s` of directions of squared lengths ``gram``; the matrix in orthonormal
    coordinates is ``form / √(gram ⊗ gram)``, whose eigenvalues are those of the Hessian, each
    ``multiplicity`` times. Leading axes run over an ensemble of parameters.

    Attributes:
        component: the clones that part, and the rows.
        source: the form, in the number system that was asked for, or an orthonormal matrix of low
            rank.
        is_two_sided: whether it is known to be [[B, G], [Gᵀ, 0]], as for units with one
            pre-activation; the zeros are then exact.
    """

    component: Component
    source: Array | Factored
    system: NumberSystem
    is_two_sided: bool = False

    @property
    def is_finite(self) -> bool:
        """Whether no float is infinite or no number."""
        parts = (
            (self.source.basis, self.source.core)
            if isinstance(self.source, Factored)
            else (self.source,)
        )
        return all(bool(np.isfinite(part).all()) for part in parts)

    @property
    def axis(self) -> str:
        """The axis of the clones that part; several are joined by ×."""
        return " × ".join(site.axis for site in self.component.sites)

    @property
    def units(self) -> tuple[int, ...]:
        """The clones that part, along the first axis."""
        return self.component.sites[0].units

    @property
    def multiplicity(self) -> int:
        """n - 1, or the product over several axes: how often each eigenvalue occurs."""
        return self.component.multiplicity

    @property
    def labels(self) -> list[RowLabel]:
        """What the rows are: those that change what the clones receive, then what they send."""
        return [label for panel in self.component.panels for label in panel.labels()]

    @cached_property
    def gram(self) -> Array:
        """Squared lengths of the rows' directions, integers ``(rows,)``."""
        return np.concatenate([panel.gram for panel in self.component.panels])

    @cached_property
    def form(self) -> Array:
        """The Hessian's entries between the directions ``(…, rows, rows)``: rational where H is.

        A matrix congruent to ``matrix``: both have the same inertia.
        """
        if isinstance(self.source, Factored):
            lengths = np.sqrt(self.gram)
            return self.source.dense() * np.multiply.outer(lengths, lengths)
        return self.source

    @cached_property
    def matrix(self) -> Array:
        """M in orthonormal coordinates ``(…, rows, rows)``, floats or balls.

        Raises:
            SpectrumError: in a system without square roots, where ``form`` and ``gram`` are exact.
        """
        if isinstance(self.source, Factored):
            return self.source.dense()
        form = self.form
        if form.dtype != object:
            return np.asarray(form / np.sqrt(np.multiply.outer(self.gram, self.gram)))
        if not isinstance(self.system, Ball):
            raise SpectrumError(
                f"block {self.axis}: √n is no number of the system: use form and gram"
            )
        with self.system.working():
            roots = np.array([arb(int(n)).sqrt() for n in self.gram], dtype=object)
            return np.asarray(form / roots / roots[:, None])

    @property
    def inner(self) -> Array | None:
        """B, between incoming rows, of a two-sided block."""
        count = self.component.num_incoming
        return self.matrix[..., :count, :count] if self.is_two_sided else None

    @property
    def coupling(self) -> Array | None:
        """G, of incoming with outgoing rows, of a two-sided block."""
        count = self.component.num_incoming
        return self.matrix[..., :count, count:] if self.is_two_sided else None

    def eigenvalues(self) -> Array:
        """Eigenvalues of M ``(…, rows)``, ascending, in float64; each counts multiplicity times.

        What a low rank makes 0 is counted and not computed.
        """
        rows = self.component.size
        if not isinstance(self.source, Factored):
            return np.asarray(np.linalg.eigvalsh(self._floats()))
        found = np.linalg.eigvalsh(self.source.core)
        zeros = np.zeros((*found.shape[:-1], rows - found.shape[-1]))
        return np.sort(np.concatenate([found, zeros], axis=-1), axis=-1)

    def eigenvectors(self) -> tuple[Array, Array]:
        """Eigenvalues ``(…, k)`` and orthonormal eigenvectors ``(…, rows, k)`` in float64.

        Of a matrix of low rank only those that the rank leaves; the others are null.
        """
        if not isinstance(self.source, Factored):
            values, vectors = np.linalg.eigh(self._floats())
            return values, vectors
        values, vectors = np.linalg.eigh(self.source.core)
        return values, self.source.basis @ vectors

    def _floats(self) -> Array:
        if self.source is self.form and self.form.dtype == object:
            entries = np.vectorize(float, otypes=[np.float64])(self.form)
            return np.asarray(entries / np.sqrt(np.multiply.outer(self.gram, self.gram)))
        return self.matrix

    def direction(self, vector: Array, clones: tuple[int, int] = (0, 1)) -> dict[str, Array]:
        """The direction in parameter space with the given orthonormal coordinates.

        Of the multiplicity's many directions it is the one in which two clones part; a unit vector
        gives a unit vector.

        Args:
            vector: ``(…, rows)``, floats.
            clones: places of the two in ``units``.

        Raises:
            SpectrumError: if the vector has not one entry a row, or there are no such clones.
        """
        coordinates = np.asarray(vector, dtype=np.float64)
        if coordinates.shape[-1:] != (self.component.size,):
            raise SpectrumError(
                f"vector has shape {coordinates.shape}: its last axis has {self.component.size} "
                "rows"
            )
        least = min(len(site.units) for site in self.component.sites)
        if len(set(clones)) != 2 or not all(0 <= c < least for c in clones):
            raise SpectrumError(f"clones={clones}: two different places in 0..{least - 1}")
        coordinates = coordinates / np.sqrt(self.gram * 2.0 ** len(self.component.sites))
        found: dict[str, Array] = {}
        start = 0
        for panel in self.component.panels:
            shape = tuple(axis.size for axis in panel.axes)
            target = found.setdefault(panel.parameter, np.zeros((*coordinates.shape[:-1], *shape)))
            panel.add(coordinates[..., start : start + panel.size], target, clones)
            start += panel.size
        return found
