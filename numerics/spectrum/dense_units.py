r"""Transverse blocks of two-sided units from their signals, never forming a Hessian (N3).

    B_i[j, l] = Σ_data d_v φ''(z_v) ĥ_j ĥ_l        G_i[j, k] = Σ_data φ'(z_v) ĥ_j δ̂_k

with v any unit of S_i, ĥ_j = √n_j h_j, 1 for the bias, and δ̂_k = √n_k δ_k. All blocks of an axis
share ĥ and δ̂. Where there are fewer samples than rows, ĥᵀ = Q R and δ̂ᵀ = P S are taken once for
the axis, and each block is diag(Q, P) K diag(Q, P)ᵀ with a K of twice the number of samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numerics.spectrum.adjoint import working
from numerics.spectrum.block import Factored, TransverseBlock
from numerics.spectrum.normal_space import Component
from numerics.spectrum.panel import Panel
from numerics.spectrum.signals import Signals
from numerics.systems.float64 import Float64
from numerics.systems.system import Array, NumberSystem


def dense_blocks(
    components: Sequence[Component], signals: Signals, system: NumberSystem
) -> tuple[TransverseBlock, ...]:
    """The transverse blocks of the sites of one axis.

    Args:
        components: one for each site, all of the signals' axis.
        signals: of the axis.
        system: in which numbers.
    """
    first = components[0]
    received, sent = (
        [_columns(panel, signals, system) for panel in first.panels if panel.is_outgoing is side]
        for side in (False, True)
    )
    h, delta = _joined(received, signals, system), _joined(sent, signals, system)
    rows, samples = first.size, signals.slope.shape[-2]
    is_low = min(samples, h.shape[-1]) + min(samples, delta.shape[-1]) < rows
    if isinstance(system, Float64) and is_low:
        return _factored(components, h, delta, signals, system)
    found = []
    for component in components:
        unit = component.sites[0].units[0]
        bend, slope = (a[..., unit, None] for a in (signals.bend, signals.slope))
        left = np.swapaxes(h, -1, -2)
        inner = system.matmul(left, system.multiply(h, bend))
        coupling = system.matmul(left, system.multiply(delta, slope))
        found.append(TransverseBlock(component, _two_sided(inner, coupling, system), system, True))
    return tuple(found)


def _columns(panel: Panel, signals: Signals, system: NumberSystem) -> Array:
    """Sums over blocks of what a weight meets, or of the adjoints it gets: ``(…, N, rows)``."""
    met = signals.outgoing if panel.is_outgoing else signals.incoming
    values = met[panel.parameter]
    if values is None:
        return system.array(np.ones((signals.slope.shape[-2], 1), dtype=np.int64))
    lead = values.ndim - len(panel.others)
    with working(system):
        for position, k in enumerate(panel.others):
            values = panel.axes[k].block_sums(values, lead + position)
    return values.reshape((*values.shape[:lead], panel.size))


def _joined(parts: Sequence[Array], signals: Signals, system: NumberSystem) -> Array:
    samples = signals.slope.shape[-2]
    if not parts:
        return system.array(np.zeros((samples, 0)))
    front = np.broadcast_shapes(*(part.shape[:-2] for part in parts))
    return np.concatenate(
        [np.broadcast_to(part, (*front, samples, part.shape[-1])) for part in parts], axis=-1
    )


def _two_sided(inner: Array, coupling: Array, system: NumberSystem) -> Array:
    """[[B, G], [Gᵀ, 0]]."""
    received, sent = coupling.shape[-2:]
    front = np.broadcast_shapes(inner.shape[:-2], coupling.shape[:-2])
    total = received + sent
    out = np.array(np.broadcast_to(system.array([[0]]), (*front, total, total)))
    out[..., :received, :received] = inner
    out[..., :received, received:] = coupling
    out[..., received:, :received] = np.swapaxes(coupling, -1, -2)
    return out


def _factored(
    components: Sequence[Component], h: Array, delta: Array, signals: Signals, system: NumberSystem
) -> tuple[TransverseBlock, ...]:
    """Blocks of low rank, in bases that they share."""
    lengths = np.sqrt(np.concatenate([panel.gram for panel in components[0].panels]))
    count = components[0].num_incoming
    q, r = np.linalg.qr(np.swapaxes(h / lengths[:count], -1, -2))
    p, s = np.linalg.qr(np.swapaxes(delta / lengths[count:], -1, -2))
    front = np.broadcast_shapes(q.shape[:-2], p.shape[:-2])
    basis = np.zeros((*front, len(lengths), q.shape[-1] + p.shape[-1]))
    basis[..., :count, : q.shape[-1]] = q
    basis[..., count:, q.shape[-1] :] = p
    found = []
    for component in components:
        unit = component.sites[0].units[0]
        bend, slope = (a[..., None, :, unit] for a in (signals.bend, signals.slope))
        right = np.swapaxes(r, -1, -2)
        core = _two_sided((r * bend) @ right, (r * slope) @ np.swapaxes(s, -1, -2), system)
        found.append(TransverseBlock(component, Factored(basis, core), system, True))
    return tuple(found)
