"""The architectures: counts, axes, names, widening, and clones that stay clones."""

import random
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from numerics.evaluate import Evaluator
from numerics.exact import prove_invariance
from numerics.systems.float64 import Float64
from tests.test_theory.channel import channel_agrees
from theory.activation import activation
from theory.axes import axis_names, couples_samples
from theory.axis_roles import contracted_axes
from theory.backprop import gradient
from theory.errors import ArchitectureError, LopError
from theory.manifold import block_constant, equitable, outgoing_equitable
from theory.partition import make_partition
from theory.primitives import Apply
from theory.widening import widen
from theory.zoo import (
    EXAMPLES,
    cnn,
    decoder,
    from_name,
    gated_mlp,
    mlp,
    resnet,
    resnet50,
    rnn,
    vision_transformer,
    vit_b16,
)

HEADS = ("d", "head1", "k1", "v1", "m1")
NETS = {
    "mlp": (mlp([3, 4, 4, 2]), ("h1", "h2")),
    "gated mlp": (gated_mlp([3, 4, 4, 2]), ("h1", "h2")),
    "cnn": (cnn((4, 4), (2, 4, 3), 2), ("c1", "c2")),
    "cnn, batch": (cnn((4, 4), (2, 4, 4), 2, norm="batch", pool="max"), ("c1", "c2")),
    "cnn, running": (cnn((5, 4), (2, 3, 4), 2, norm="running", pool="avg"), ("c1", "c2")),
    "cnn, layer": (cnn((3, 3), (1, 4, 4), 2, norm="layer", flat=True), ("c1", "c2")),
    "resnet": (resnet((4, 4), 1, 2, (1, 1), 2), ("d0", "d1", "m1", "n1", "d2", "m2", "n2")),
    "resnet, layer": (
        resnet((4, 4), 1, 2, (2,), 2, "phi", norm="layer"),
        ("d0", "d1", "m1", "n1", "m2", "n2"),
    ),
    "vit": (vision_transformer((4, 2), 2, 1, 1, 4, 2, 4, 2), HEADS),
    "decoder": (decoder(3, 3, 1, 4, 2, 4), HEADS),
    "decoder, untied": (
        decoder(3, 2, 2, 4, 2, 4, tied=False, norm="rms", phi="phi"),
        (*HEADS, "head2", "k2", "v2", "m2"),
    ),
    "rnn": (rnn(2, 4, 2, 3, "phi"), ("h",)),
    "gru": (rnn(2, 4, 2, 3, cell="gru"), ("h",)),
}


def clones(net, axes, seed):
    """Random blocks of each axis; the first axis has one block at least of two units."""
    source = random.Random(seed)
    blocks = {}
    for k, axis in enumerate(axes):
        n = net.sizes[axis]
        units = source.sample(range(n), n)
        cuts = sorted(source.sample(range(1, n), source.randint(0, n - 1 - (k == 0))))
        blocks[axis] = [units[a:b] for a, b in zip([0, *cuts], [*cuts, n], strict=True)]
    return make_partition(net.sizes, blocks)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", NETS)
def test_clones_of_any_axes_stay_clones(name, seed):
    net, axes = NETS[name]
    partition = clones(net, axes, seed)
    on = equitable(net, partition)
    result = prove_invariance(net, on, tangent=block_constant(net, partition), seed=seed)
    assert result.verdict == "proved", result.summary()


@pytest.mark.parametrize("name", sorted(set(NETS) - {"decoder"}))
def test_half_of_the_conditions_do_not_suffice(name):
    net, axes = NETS[name]
    result = prove_invariance(net, outgoing_equitable(net, clones(net, axes, 0)))
    assert result.verdict == "refuted", result.summary()


@pytest.mark.parametrize(
    ("blocks", "verdict"),
    [
        ([[0, 1], [2, 3]], "proved"),
        ([[0, 1], [2], [3]], "proved"),
        ([[0, 2], [1], [3]], "refuted"),
        ([[0, 1, 2], [3]], "refuted"),
        ([[0, 2], [1, 3]], "proved"),  # across groups, but the groups as a whole are clones
    ],
)
def test_clones_see_groups_of_equal_profiles(blocks, verdict):
    net = cnn((3, 3), (1, 4, 4), 2, norm="group")
    partition = make_partition(net.sizes, {"c1": blocks})
    assert prove_invariance(net, equitable(net, partition)).verdict == verdict


@pytest.mark.parametrize("name", NETS)
def test_both_modes_of_derivatives_agree(name):
    assert channel_agrees(NETS[name][0].graph(2))


@pytest.mark.parametrize("name", NETS)
def test_only_batch_statistics_couple_samples(name):
    net, _ = NETS[name]
    assert couples_samples(net.graph(2), net.declared_axes) == (name in ("cnn, batch", "resnet"))


ATTENTION = {
    "Wq1": (True, False, False),
    "Wk1": (True, False, False),
    "bk1": (False, False),
    "Wv1": (True, False, False),
    "Wo1": (True, True, False),
    "W1": (True, False),
    "V1": (True, False),
    "gainA1": (False,),
}
GATES = {
    f"{kind}{gate}": sums
    for gate in ("", "_update", "_reset")
    for kind, sums in (("w", (True, False)), ("u", (True, False)), ("b", (False,)))
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gated mlp", {"W1": (True, False), "G1": (True, False), "c1": (False,)}),
        ("cnn, batch", {"K1": (True, True, True, False), "gain1": (False,), "V": (True, False)}),
        ("cnn, running", {"mean1": (False,), "variance2": (False,)}),
        ("cnn, layer", {"K2": (True, True, True, False), "V": (True, True, True, False)}),
        ("resnet", {"K1": (True, True, True, False), "P2": (True, False), "gainB2": (False,)}),
        ("vit", {**ATTENTION, "cls": (False,), "pos": (False, False), "U": (True, False)}),
        ("decoder", {**ATTENTION, "E": (True, False), "pos": (False, False)}),
        ("decoder, untied", {**ATTENTION, "E": (True, False), "U": (True, False)}),
        ("rnn", {"u": (True, False), "V": (True, False)}),
        ("gru", GATES),
    ],
)
def test_source_axes(name, expected):
    found = contracted_axes(NETS[name][0].graph(2), up_to_exchange=name == "decoder")
    assert {p: found[p] for p in expected} == expected


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("gated mlp", {"h1", "h2"}),
        ("cnn", {"c1", "c2"}),
        ("resnet, layer", {"d0", "d1", "m1", "n1", "m2", "n2"}),
        ("decoder, untied", {"m1", "m2"}),
        ("rnn", {"h"}),
    ],
)
def test_the_unknown_function_acts_along_hidden_units(name, axes):
    net, _ = NETS[name]
    graph = net.graph(2)
    names = axis_names(graph, net.declared_axes)
    met = {
        names[k][-1]
        for k, node in enumerate(graph.nodes)
        if isinstance(node.primitive, Apply) and node.primitive.activation == activation("phi")
    }
    assert met == axes


def doubled(net, axes):
    return replace(net, sizes={a: n * (2 if a in axes else 1) for a, n in net.sizes.items()})


@pytest.mark.parametrize("name", NETS)
def test_other_sizes_make_the_wider_network(name):
    net, axes = NETS[name]
    wide = doubled(net, axes)
    assert wide.output_shape == net.output_shape
    assert wide.graph(2).parameter_shapes == wide.parameter_shapes
    assert wide.num_parameters == sum(
        prod(wide.sizes[a] for a in own) for own in net.parameters.values()
    )


# Clones inside a head change the scale 1/√k; a tied embedding has no sources of its own.
@pytest.mark.parametrize("name", sorted(set(NETS) - {"decoder"}))
def test_a_widened_network_computes_the_same(name):
    net, axes = NETS[name]
    axes = tuple(a for a in axes if a[0] not in "k" and not a.startswith("head"))
    wide = doubled(net, axes)
    pairs = {a: [[2 * u, 2 * u + 1] for u in range(net.sizes[a])] for a in axes}
    rng = np.random.default_rng(0)
    base = {p: rng.uniform(0.1, 0.6, s) for p, s in net.parameter_shapes.items()}
    x = rng.normal(size=(3, *net.input_shape))
    theta = widen(wide, make_partition(wide.sizes, pairs), base)
    system = Float64(functions={"phi": np.cos})
    expected = Evaluator(net.graph(3), system)({"x": x, **base})["y"]
    found = Evaluator(wide.graph(3), system)({"x": x, **theta})["y"]
    # Sums of at most a hundred products of numbers of size one in each of ten layers.
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_real_networks_have_their_published_sizes():
    assert resnet50().num_parameters == 25_557_032
    assert vit_b16().num_parameters == 86_567_656
    # GPT-2 small has a tied embedding of 50257 tokens and 1024 positions.
    gpt2 = decoder(50257, 1024, 12, 768, 12, 3072)
    assert gpt2.num_parameters == 124_439_808


@pytest.mark.parametrize("net", [resnet50(), vit_b16()], ids=["resnet50", "vit_b16"])
def test_a_real_network_is_traced(net):
    assert net.graph(2).parameter_shapes == net.parameter_shapes
    assert net.output_shape == (1000,)
    slopes = gradient(net.graph(2))
    assert len(slopes.outputs) == len(net.parameters) + 1


@pytest.mark.parametrize("name", NETS)
def test_a_network_is_read_back_from_its_name(name):
    net, _ = NETS[name]
    read = from_name(net.name)
    assert (read.name, read.sizes, read.parameters) == (net.name, net.sizes, net.parameters)
    assert read.graph(2) == net.graph(2)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_names(name):
    assert from_name(name).name.startswith(name.split(":")[0].rstrip("_b16").rstrip("50"))


def test_an_unknown_kind_lists_an_example_of_each():
    with pytest.raises(ArchitectureError) as caught:
        from_name("transformer:3")
    assert all(example in str(caught.value) for example in EXAMPLES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cnn:8x8:1-4", "an example is cnn:8x8:1-4-8:10:relu:batch:max"),
        ("cnn:8:1-4:10", "an example is cnn:8x8:1-4-8:10:relu:batch:max"),
        ("cnn:8x8:1-4:10:relu:spectral", "norm='spectral': there are batch, running, layer"),
        ("cnn:8x8:1-4:10:relu:none:median", "pool='median': there are max, avg"),
        ("cnn:8x8:1-4:10:relu:none:max:round", "unknown option 'round', expected 'flat'"),
        ("cnn:2x2:1-4-4-4:10:relu:none:max", "it cannot be halved 2 times"),
        ("cnn:8x8:1:10", "a cnn has at least one convolution"),
        ("cnn:8x8:1-4:10:sine", "unknown activation 'sine'"),
        ("resnet:8x8:3-4:1-1:10:relu:rms", "norm='rms': there are batch, running, layer, group"),
        ("resnet50:relu", "an example is resnet50"),
        ("vit:8x8:3:3-1-4-2-8:10", "height and width are multiples of 3"),
        ("vit:9x9:3:3-1-4-3-8:10", "heads=3: the width 4 is a multiple of it"),
        ("decoder:3-3-1-4-2", "an example is decoder:11-4-2-8-2-16:gelu"),
        ("decoder:3-3-1-4-2-8:gelu:batch", "norm='batch': there are layer, rms"),
        ("decoder:3-3-1-4-2-8:gelu:layer:tied", "unknown option 'tied', expected 'untied'"),
        ("rnn:2-3-4-1", "steps=1: a state returns from the second step on"),
        ("gru:2-3-4-0", "an example is gru:3-4-2-5:tanh"),
        ("mlp:3-2:tanh:relu", "an example is mlp:3-4-4-2:tanh"),
    ],
)
def test_what_is_no_architecture_is_refused(name, message):
    with pytest.raises(LopError) as caught:
        from_name(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_cell_is_refused():
    with pytest.raises(ArchitectureError, match="cell='lstm': there are elman, gru"):
        rnn(2, 3, 1, 4, cell="lstm")
