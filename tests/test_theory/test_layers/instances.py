"""A small network around every layer, with the axes whose units may be cloned."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from theory.activation import activation, silu
from theory.architecture import Architecture
from theory.layers import (
    attention,
    avg_pool2d,
    batch_norm,
    conv2d,
    depthwise_conv2d,
    dropout,
    elman,
    embedding,
    flatten,
    glu,
    group_norm,
    gru,
    layer_norm,
    max_pool2d,
    prelu,
    rms_norm,
    softmax,
)
from theory.partition import Partition, make_partition

Forward = Callable[[dict[str, Any], Any], Any]
PHI, PSI = activation("phi"), activation("psi")
EPS = 1


def hidden(layer: Callable[[dict[str, Any], Any], Any], **own: tuple[str, ...]) -> Architecture:
    """φ(layer(x W)) V with four hidden units ``h``; ``own`` are the layer's parameters."""
    return Architecture(
        lambda p, x: PHI(layer(p, x @ p["W"])) @ p["V"],
        sizes={"x": 2, "h": 4, "y": 2},
        parameters={"W": ("x", "h"), **own, "V": ("h", "y")},
    )


def places(layer: Callable[[dict[str, Any], Any], Any], **own: tuple[str, ...]) -> Architecture:
    """Images of two channels mapped to four, ``c``; the layer; the mean over places, mapped."""
    return Architecture(
        lambda p, x: np.mean(PHI(layer(p, x @ p["W"])), axis=(1, 2)) @ p["V"],
        sizes={"H": 3, "w": 3, "x": 2, "c": 4, "kh": 2, "kw": 2, "ci": 2, "o": 4, "y": 2},
        parameters={"W": ("x", "c"), **own, "V": ("o" if "K" in own else "c", "y")},
        inputs=("H", "w", "x"),
    )


def sequence(forward: Forward, sizes: dict[str, int], **own: tuple[str, ...]) -> Architecture:
    """Two samples' worth of three vectors each, by whatever ``forward`` does."""
    return Architecture(
        forward, sizes={"t": 3, "x": 2, "y": 2, **sizes}, parameters=own, inputs=("t", "x")
    )


def _flat(p: dict[str, Any], x: Any) -> Any:
    return flatten(PHI(conv2d(x, p["K"]))) @ np.reshape(p["V"], (-1, p["V"].shape[-1]))


def _attention(p: dict[str, Any], x: Any) -> Any:
    h = PHI(x @ p["W"])
    q, k, v = (np.einsum("btd,dhk->bthk", h, p[name]) for name in ("Q", "K", "U"))
    return np.einsum("bthv,hvy->bty", attention(q, k + p["b"], v, causal=True), p["O"])


def _shared_mask(p: dict[str, Any], x: Any) -> Any:
    """The first two entries are data, the others masks, one for each half of the units."""
    mask = np.take(x[:, 2:], [0, 0, 1, 1], axis=1)
    return dropout(PHI(x[:, :2] @ p["W"]), mask) @ p["V"]


MASKED = {
    "sizes": {"x": 2, "m": 4, "h": 4, "y": 2},
    "parameters": {"W": ("x", "h"), "V": ("h", "y")},
    "inputs": ("m",),
}
GATES = {
    f"{kind}{gate}": axes
    for gate in ("_update", "_reset", "")
    for kind, axes in (("w", ("x", "h")), ("u", ("h", "h")), ("b", ("h",)))
}

# Each network, and the blocks of every axis: None for any partition.
Blocks = list[list[int]] | None
HALVES: Blocks = [[0, 1], [2, 3]]
INSTANCES: dict[str, tuple[Architecture, dict[str, Blocks]]] = {
    "prelu": (hidden(lambda p, z: prelu(z, p["a"]), a=("h",)), {"h": None}),
    "glu": (hidden(lambda p, z: glu(z, z @ p["G"], silu), G=("h", "h")), {"h": None}),
    "dropout, shared": (Architecture(_shared_mask, **MASKED), {"h": HALVES}),  # type: ignore[arg-type]
    "softmax": (hidden(lambda p, z: softmax(z)), {"h": None}),
    "batch_norm": (
        hidden(lambda p, z: batch_norm(z, p["g"], p["b"], eps=EPS), g=("h",), b=("h",)),
        {"h": None},
    ),
    "batch_norm, running": (
        hidden(
            lambda p, z: batch_norm(z, eps=EPS, mean=p["m"], variance=p["v"]), m=("h",), v=("h",)
        ),
        {"h": None},
    ),
    "layer_norm": (
        hidden(lambda p, z: layer_norm(z, p["g"], p["b"], eps=0), g=("h",), b=("h",)),
        {"h": [[0, 1, 3], [2]]},
    ),
    "rms_norm": (hidden(lambda p, z: rms_norm(z, p["g"], eps=0), g=("h",)), {"h": None}),
    "group_norm": (
        hidden(lambda p, z: group_norm(z, 2, p["g"], p["b"], eps=EPS), g=("h",), b=("h",)),
        {"h": [[0, 1], [2], [3]]},
    ),
    "conv2d": (
        places(lambda p, z: conv2d(z, p["K"], padding=1, stride=2), K=("kh", "kw", "c", "o")),
        {"c": None, "o": None},
    ),
    "conv2d, groups": (
        places(lambda p, z: conv2d(z, p["K"], dilation=2, groups=2), K=("kh", "kw", "ci", "o")),
        {"c": HALVES, "ci": [[0, 1]], "o": HALVES},
    ),
    "depthwise_conv2d": (
        places(lambda p, z: depthwise_conv2d(z, p["D"], padding=1), D=("kh", "kw", "c")),
        {"c": None},
    ),
    "avg_pool2d": (places(lambda p, z: avg_pool2d(z, 2, padding=1)), {"c": None}),
    "max_pool2d": (places(lambda p, z: max_pool2d(z, 2, padding=1, stride=1)), {"c": None}),
    "max over places": (places(lambda p, z: np.max(z, axis=1, keepdims=True)), {"c": None}),
    "flatten": (
        Architecture(
            _flat,
            sizes={"H": 3, "w": 3, "c": 2, "kh": 2, "kw": 2, "o": 3, "oh": 2, "ow": 2, "y": 2},
            parameters={"K": ("kh", "kw", "c", "o"), "V": ("oh", "ow", "o", "y")},
            inputs=("H", "w", "c"),
        ),
        {"o": None},
    ),
    "attention": (
        sequence(
            _attention,
            {"d": 3, "head": 2, "k": 2, "v": 3},
            W=("x", "d"),
            Q=("d", "head", "k"),
            K=("d", "head", "k"),
            b=("head", "k"),
            U=("d", "head", "v"),
            O=("head", "v", "y"),
        ),
        {"d": None, "head": None, "k": None, "v": None},
    ),
    "embedding": (
        sequence(
            lambda p, x: PHI(embedding(x, p["E"]) + p["pos"]) @ p["U"],
            {"d": 4},
            E=("x", "d"),
            pos=("t", "d"),
            U=("d", "y"),
        ),
        {"d": None},
    ),
    "embedding, tied": (
        sequence(
            lambda p, x: PHI(embedding(x, p["E"]) @ p["U"]) @ p["E"].T,
            {"d": 4},
            E=("x", "d"),
            U=("d", "d"),
        ),
        {"d": None},
    ),
    "elman": (
        sequence(
            lambda p, x: elman(x, p["w"], p["u"], p["b"], PHI) @ p["V"],
            {"h": 4},
            w=("x", "h"),
            u=("h", "h"),
            b=("h",),
            V=("h", "y"),
        ),
        {"h": None},
    ),
    "gru": (
        sequence(
            lambda p, x: gru(x, **{name: p[name] for name in GATES}) @ p["V"],
            {"h": 4},
            **GATES,
            V=("h", "y"),
        ),
        {"h": None},
    ),
}

FALSE: dict[str, tuple[Architecture, dict[str, Blocks]]] = {
    "group_norm, a block across groups": (
        INSTANCES["group_norm"][0],
        {"h": [[0, 2], [1], [3]]},
    ),
    "conv2d, a block across groups": (
        INSTANCES["conv2d, groups"][0],
        {"c": HALVES, "ci": [[0, 1]], "o": [[0, 2], [1, 3]]},
    ),
    "conv2d, groups that are cloned otherwise": (
        INSTANCES["conv2d, groups"][0],
        {"c": [[0, 2], [1, 3]], "ci": [[0, 1]], "o": HALVES},
    ),
    "dropout, independent": (
        Architecture(
            lambda p, x: dropout(PHI(x[:, :2] @ p["W"]), x[:, 2:]) @ p["V"],
            **MASKED | {"sizes": {"x": 2, "m": 6, "h": 4, "y": 2}},  # type: ignore[arg-type]
        ),
        {"h": HALVES},
    ),
    "dropout, shared otherwise": (INSTANCES["dropout, shared"][0], {"h": [[0, 2], [1, 3]]}),
    "max over clones": (
        hidden(lambda p, z: z + np.max(z, axis=1, keepdims=True)),
        {"h": HALVES},
    ),
    "unequal activations in a block": (
        hidden(lambda p, z: np.concatenate([PHI(z[:, :1]), PSI(z[:, 1:])], axis=1)),
        {"h": HALVES},
    ),
    "a window across channels": (
        hidden(lambda p, z: z + np.roll(z, 1, axis=1)),
        {"h": HALVES},
    ),
    "flatten against another reshape": (
        Architecture(
            lambda p, x: PHI(flatten(x @ p["W"])) @ p["V"],
            sizes={"t": 2, "x": 2, "h": 2, "f": 4, "y": 1},
            parameters={"W": ("x", "h"), "V": ("f", "y")},
            inputs=("t", "x"),
        ),
        {"f": HALVES},
    ),
}


def partition(net: Architecture, blocks: dict[str, Blocks], seed: int) -> Partition:
    """The given blocks, and at random where any will do, with a block of two units at least."""
    source = random.Random(seed)
    chosen = {a: own or _random_blocks(net.sizes[a], source) for a, own in blocks.items()}
    return make_partition(net.sizes, chosen)


def _random_blocks(size: int, source: random.Random) -> list[list[int]]:
    units = source.sample(range(size), size)
    cuts = sorted(source.sample(range(1, size), source.randint(0, size - 2)))
    return [units[a:b] for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
