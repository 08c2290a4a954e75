"""N3: the Hessian on the normal space of IE∩OE, block by block, off BC, and for any layers."""

from __future__ import annotations

import numpy as np

from numerics.losses import MSE
from numerics.spectrum import transverse_blocks
from numerics.spectrum.clone_form import prove_clone_form
from numerics.tasks import Task
from numerics.transverse.escape import transverse_eigenvalues
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import chooser, draw_network, draw_partition
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted
from proofs_check.findings import from_identity
from proofs_check.transverse_form import Network, Reading, blocks_exactly
from theory.activation import gelu, relu, sigmoid, tanh
from theory.architecture import Architecture
from theory.manifold import block_constant, equitable
from theory.partition import make_partition
from theory.zoo import cnn, vision_transformer

TOLERANCE = 1e-12  # of eigenvalues relative to the largest, a few hundred roundings
STATEMENT = "n'ᵀ H n is the sum of the blocks' forms, J n = 0, and H m = 0, J m = 0 for mixed m"

NETWORKS = (
    Network((2, 5, 2), False, (((0, 1, 2, 3),),)),
    Network((2, 6, 5, 2), True, (((0, 2, 3, 5),), ((1, 2, 3, 4),))),
    Network(
        (3, 9, 8, 5, 2),
        True,
        (((0, 2, 3, 5), (1, 4, 6, 7)), ((4, 5, 6, 7),), ((0, 1, 2, 4),)),
    ),
    Network((1, 4, 4, 4, 1), False, (((0, 1, 2, 3),),) * 3),
)
LARGER = (
    Network((3, 9, 9, 9, 3), True, (((0, 2, 3, 5), (1, 4, 6, 7)),) * 3),
    Network((2, 5, 5, 5, 5, 1), False, (((0, 1, 3, 4),),) * 4),
)


def _read(settings: Settings, reading: Reading, *, off: bool) -> Evidence:
    found = []
    for k, network in enumerate((*NETWORKS, *LARGER) if settings.full else NETWORKS):
        seed = settings.sub_seed("N3", k)
        identity = blocks_exactly(network, reading, off=off, seed=seed)
        found.append(from_identity(identity, network.architecture().name, STATEMENT))
        if not found[-1].holds:
            return found[-1]
    return conjoin(found)


def at_constant_points(settings: Settings) -> Evidence:
    """The theorem on BC."""
    return _read(settings, Reading(), off=False)


def computed(settings: Settings) -> Evidence:
    """The spectra that :mod:`numerics.spectrum` computes, against dense Hessians in float64."""
    count, worst = 300 if settings.full else 20, 0.0
    shown: tuple[float, ...] = ()  # the longest spectrum, by blocks and dense
    dense: tuple[float, ...] = ()
    for trial in range(count):
        seed = settings.sub_seed("N3 computed", trial)
        choose = chooser(seed)
        net = draw_network(choose, activations=(tanh, gelu, relu, sigmoid))
        partition = draw_partition(choose, net)
        rng = np.random.default_rng(seed)
        shapes = block_constant(net, partition).free_shapes
        theta = block_constant(net, partition).embed(
            {name: rng.normal(size=shape) for name, shape in shapes.items()}
        )
        x, y = (rng.normal(size=(4, *shape)) for shape in (net.input_shape, net.output_shape))
        data = Task("normal", x, y)
        blocks = transverse_blocks(net, partition, theta, data, MSE)
        parts = [np.repeat(block.eigenvalues(), block.multiplicity) for block in blocks]
        found = np.sort(np.concatenate(parts))
        expected = transverse_eigenvalues(net, data, theta, equitable(net, partition))
        if len(found) != len(expected):
            return refuted(
                net.name,
                f"{len(found)} eigenvalues with multiplicities, dimension {len(expected)}",
                counterexample={"seed": seed},
                level=Level.OBSERVED,
            )
        difference = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
        if difference > TOLERANCE:
            return refuted(
                net.name,
                f"a spectrum differs by {difference:.2g}",
                counterexample={"seed": seed},
                level=Level.OBSERVED,
            )
        worst = max(worst, difference)
        if len(found) > len(shown):
            shown, dense = tuple(found.tolist()), tuple(expected.tolist())
    ranks = tuple(float(k) for k in range(1, len(shown) + 1))
    blocks_and_dense = (
        Series("of the blocks, n_i - 1 times each", ranks, shown, "dashed"),
        Series("of the dense Hessian", ranks, dense, "points"),
    )
    chart = Chart("Transverse spectrum of one network", "rank", "eigenvalue", blocks_and_dense)
    return holds(
        Level.OBSERVED,
        f"{count} random networks",
        "eigenvalues of the blocks, with multiplicities, are those of dense Hessians",
        figures={"networks": count, "largest difference": worst},
        charts=(chart,),
    )


def off_constant_points(settings: Settings) -> Evidence:
    """The coupled form on IE∩OE."""
    return _read(settings, Reading(is_propagated=True), off=True)


def _variant(name: str, why: str, reading: Reading, *, off: bool = False) -> FalseVariant:
    return FalseVariant(name, why, lambda settings: _read(settings, reading, off=off))


Cloned = tuple[Architecture, str, tuple[tuple[int, ...], ...]]


def _layered(settings: Settings) -> tuple[Cloned, ...]:
    """Networks, an axis of each, and clones along it."""
    images = cnn((3, 3), (1, 3, 2), 2)
    normal = cnn((3, 3), (1, 3, 2), 1, norm="layer")
    grouped = cnn((3, 3), (1, 4, 2), 2, norm="group")
    sequence = vision_transformer((2, 2), 1, 1, 1, 2, 2, 2, 1)
    found: tuple[Cloned, ...] = (
        (images, "c1", ((0, 2, 1),)),
        (normal, "c1", ((0, 1),)),
        (grouped, "c1", ((0, 1), (2, 3))),
        (sequence, "head1", ((0, 1),)),
        (sequence, "m1", ((0, 1),)),
    )
    if not settings.full:
        return found
    wide = vision_transformer((2, 2), 1, 1, 2, 4, 2, 4, 1)
    axes: tuple[Cloned, ...] = (
        (wide, "d", ((0, 3), (1, 2))),
        (wide, "m2", ((0, 1, 2),)),
        (wide, "k1", ((0, 1),)),
    )
    return (*found, *axes)


def any_layers(settings: Settings) -> Evidence:
    """M = ∇²₁₁L - ∇²₁₂L for convolution channels, normalised channels and attention heads."""
    return _clones(settings)


def _clones(settings: Settings, *, has_cross: bool = True, is_zero_sum: bool = True) -> Evidence:
    found = []
    for k, (net, axis, blocks) in enumerate(_layered(settings)):
        identity = prove_clone_form(
            net,
            make_partition(net.sizes, {axis: blocks}),
            axis,
            seed=settings.sub_seed("N3.layers", k),
            has_cross=has_cross,
            is_zero_sum=is_zero_sum,
        )
        found.append(
            from_identity(identity, f"{net.name}, {axis}", "J n = 0, n'ᵀ H n = ⟨z', z⟩ ξ'ᵀ M ξ")
        )
        if not found[-1].holds:
            return found[-1]
    return conjoin(found)


CLAIMS = (
    Claim(
        id="N3",
        title="transverse blocks at block-constant points",
        statement=(
            "At a point of BC, with complete pairs, the Hessian of every loss on the normal space "
            "of IE∩OE is block-diagonal: for each block S_i one matrix M_i = [[B_i, G_i], "
            "[G_iᵀ, 0]], repeated n_i - 1 times, with B_i[j,l] = Σ d_v φ''(z_v) ĥ_j ĥ_l and "
            "G_i[j,k] = Σ φ'(z_v) ĥ_j δ̂_k, ĥ_j = √n_j h_j (1 for the bias), δ̂_k = √n_k δ_k, v any "
            "unit of S_i. Mixed directions are exactly null."
        ),
        hypotheses=(
            "φ twice differentiable where it is evaluated",
            "units with one pre-activation",
            "checked for feed-forward networks, one with a skip",
        ),
        where="new; answers what Definition 2.2 of the paper leaves open",
        expected=Verdict.PROVED,
        checks=(
            Check("networks over prime fields, for every φ and loss", at_constant_points),
            Check("computed spectra", computed),
        ),
        false_variants=(
            _variant(
                "without √n",
                "coordinates along 1_j/√n_j meet √n_j equal values",
                Reading(has_scales=False),
            ),
            _variant("without the bias", "the bias has a row of its own", Reading(has_bias=False)),
            _variant("B with the other sign", "B is d φ'' times a square", Reading(bend=-1)),
            _variant("G twice", "G and Gᵀ have each entry once", Reading(coupling=2)),
            _variant(
                "at points off BC",
                "there tangents pass on to later blocks",
                Reading(),
                off=True,
            ),
        ),
    ),
    Claim(
        id="N3.off-bc",
        title="the coupled transverse form on IE∩OE",
        statement=(
            "At any point of IE∩OE, for normal n, n' with tangents ζ_v = δz_v + Σ_u w_uv φ'_u ζ_u "
            "and outgoing coordinates β_k(v): n'ᵀ H n = Σ d_v φ''_v ζ_v ζ'_v + Σ δ̂_k φ'_v "
            "(β'_k(v) ζ_v + β_k(v) ζ'_v), summed over data, hidden units and target blocks. Mixed "
            "directions are null."
        ),
        hypotheses=(
            "φ twice differentiable where it is evaluated",
            "units with one pre-activation",
            "checked for feed-forward networks, one with a skip",
        ),
        where="new",
        expected=Verdict.PROVED,
        checks=(Check("networks over prime fields, for every φ and loss", off_constant_points),),
        false_variants=(
            _variant(
                "blocks do not couple",
                "off BC a zero-sum tangent has images in later layers",
                Reading(),
                off=True,
            ),
            _variant(
                "without √n",
                "coordinates along 1_j/√n_j meet √n_j equal values",
                Reading(is_propagated=True, has_scales=False),
                off=True,
            ),
        ),
    ),
    Claim(
        id="N3.layers",
        title="transverse blocks of any layers",
        statement=(
            "Let exchanging the clones of a block with their parameters θ_1, θ_2, … keep the "
            "network's function. At a point where they are equal, the Hessian of every loss maps "
            "z ⊗ ξ with Σ z = 0 to z ⊗ Mξ, M = ∇²₁₁L - ∇²₁₂L."
        ),
        hypotheses=(
            "the network is twice differentiable at the point",
            "checked for convolution channels, normalised ones, and attention heads",
        ),
        where="new",
        expected=Verdict.PROVED,
        checks=(Check("layered networks over prime fields", any_layers),),
        false_variants=(
            FalseVariant(
                "M = ∇²₁₁L",
                "clones see each other through the loss",
                lambda settings: _clones(settings, has_cross=False),
            ),
            FalseVariant(
                "for z of any sum",
                "a sum of clones moves the outputs",
                lambda settings: _clones(settings, is_zero_sum=False),
            ),
        ),
    ),
)
