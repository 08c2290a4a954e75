"""Random networks: the blocks' spectrum is the dense Hessian's on the normal space."""

from collections import Counter
from typing import Any

import numpy as np

from numerics.losses import MSE
from numerics.spectrum import SpectrumError, transverse_blocks
from numerics.tasks import Task
from proofs_check.drawing.layered_networks import draw_layered
from proofs_check.drawing.networks import chooser, draw_network, draw_partition
from tests.test_numerics.test_spectrum.dense import by_parity, normal_spectrum, repeated
from theory.manifold import block_constant


def constant_point(net, partition, rng):
    manifold = block_constant(net, partition)
    theta = manifold.embed(
        {name: 0.7 * rng.normal(size=shape) for name, shape in manifold.free_shapes.items()}
    )
    # running variances are parameters named v
    return {p: np.abs(a) + 0.3 if p[0] == "v" else a for p, a in theta.items()}


def data(net, partition, rng, samples):
    x = rng.normal(size=(samples, *net.input_shape))
    for k, axis in enumerate(net.inputs, 1):
        first = [block[0] for block in partition[axis].blocks]
        x = partition[axis].expand(np.take(x, first, axis=k), k)
    return Task("normal", x, rng.normal(size=(samples, *net.output_shape)))


def agrees(net, partition, theta, task, tolerance):
    """Whether the spectra agree, zeros and multiplicities included; and the blocks."""
    system = by_parity(net.graph(2))
    blocks = transverse_blocks(net, partition, theta, task, MSE, system=system)
    expected, _ = normal_spectrum(net, partition, theta, task, MSE, system)
    found = repeated(blocks)
    if len(found) != len(expected):
        return False, blocks
    size = max(1.0, np.abs(expected).max(initial=0.0))
    return bool((np.abs(found - expected) <= tolerance * size).all()), blocks


def test_feed_forward_networks():
    kinds: Counter[Any] = Counter()
    for seed in range(220):
        net = draw_network(chooser(seed))
        partition = draw_partition(chooser(seed + 1), net)
        rng = np.random.default_rng(seed)
        samples = int(rng.integers(1, 6))
        theta, task = constant_point(net, partition, rng), data(net, partition, rng, samples)
        same, blocks = agrees(net, partition, theta, task, 1e-12)
        assert same, net.name
        kinds.update(
            (block.is_two_sided, type(block.source).__name__ == "Factored") for block in blocks
        )
        kinds["several multiplicities"] += len({b.multiplicity for b in blocks}) > 1
        kinds["skip"] += "skip" in net.name
    assert min(kinds[True, True], kinds[True, False], kinds[False, False]) >= 30, kinds
    assert min(kinds["several multiplicities"], kinds["skip"]) >= 20, kinds


def _has_no_blocks(drawn):
    """Legal networks in which no exchange of the clones of single blocks is a symmetry.

    A permutation inside a block; a block of several copies; clones redrawn; a flattened axis
    whose blocks are products of blocks, of heads and of units in heads.
    """
    mixing = {"permutation inside blocks", "concatenation with itself"}
    redrawn = any(feature.endswith("redrawn") for feature in drawn.features)
    flat = [axis for axis in drawn.architecture.sizes if axis.startswith("flat")]
    heads = {"attention", "causal attention"} & drawn.features
    return redrawn or drawn.features & mixing or (flat and heads)


def test_layered_networks():
    """Legal ones agree or say that their clones cannot be exchanged; false neighbours say so."""
    found: Counter[Any] = Counter()
    features: Counter[str] = Counter()
    for seed in range(2550, 2700):
        drawn = draw_layered(chooser(seed), max_layers=2)
        net, partition = drawn.architecture, drawn.partition
        rng = np.random.default_rng(seed)
        theta, task = constant_point(net, partition, rng), data(net, partition, rng, 2)
        try:
            # normalisations divide by small deviations: their rounding is amplified
            same, _ = agrees(net, partition, theta, task, 1e-9)
        except SpectrumError:
            found["refused", drawn.false_neighbour is None] += 1
            assert drawn.false_neighbour or _has_no_blocks(drawn), str(drawn)
            continue
        assert same, str(drawn)
        found["compared"] += 1
        features.update(drawn.features)
    assert found["compared"] >= 85, found
    assert found["refused", False] >= 25, found
    wanted = {"conv2d", "attention", "LayerNorm", "GroupNorm", "GLU", "flatten", "skip", "GRU"}
    assert wanted <= features.keys(), features
