"""Transformers: the vision transformer and the decoder, with normalisation before each branch.

The parameters of block l, with axes ``d`` (model), ``head{l}``, ``k{l}`` (inside a head, of queries
and keys), ``v{l}`` (inside a head, of values), ``m{l}`` (hidden units):

    Wq{l}, Wk{l} (d, head, k), bq{l}, bk{l} (head, k);  Wv{l} (d, head, v), bv{l} (head, v)
    Wo{l} (head, v, d), bo{l} (d,);  W{l} (d, m), b{l} (m,);  V{l} (m, d), c{l} (d,)
    gainA{l}, shiftA{l}, gainM{l}, shiftM{l} (d,) before attention and before the hidden units
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.activation import Activation
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.layers import attention, conv2d, embedding
from theory.zoo.parts import (
    Axes,
    Normalisation,
    check_positive,
    dashed,
    normalisation,
    normalisation_parameters,
    symbol,
)

NORMS = ("layer", "rms")


def _block_parameters(n: int, norm: str) -> Axes:
    head, k, v, m = f"head{n}", f"k{n}", f"v{n}", f"m{n}"
    return {
        **normalisation_parameters(norm, f"A{n}", "d"),
        f"Wq{n}": ("d", head, k),
        f"bq{n}": (head, k),
        f"Wk{n}": ("d", head, k),
        f"bk{n}": (head, k),
        f"Wv{n}": ("d", head, v),
        f"bv{n}": (head, v),
        f"Wo{n}": (head, v, "d"),
        f"bo{n}": ("d",),
        **normalisation_parameters(norm, f"M{n}", "d"),
        f"W{n}": ("d", m),
        f"b{n}": (m,),
        f"V{n}": (m, "d"),
        f"c{n}": ("d",),
    }


def _block_sizes(n: int, width: int, heads: int, mlp_width: int) -> dict[str, int]:
    inside = width // heads
    return {f"head{n}": heads, f"k{n}": inside, f"v{n}": inside, f"m{n}": mlp_width}


def _block(
    p: dict[str, Any],
    n: int,
    h: Any,
    normalise: Normalisation,
    phi: Activation,
    *,
    causal: bool,
) -> Any:
    """h + attention(N(h)), then that + φ(N(·) W + b) V + c."""
    x = normalise(p, f"A{n}", h)
    q, k, v = (np.einsum("btd,dhk->bthk", x, p[f"W{c}{n}"]) + p[f"b{c}{n}"] for c in "qkv")
    seen = attention(q, k, v, causal=causal)
    h = h + np.einsum("bthv,hvd->btd", seen, p[f"Wo{n}"]) + p[f"bo{n}"]
    x = normalise(p, f"M{n}", h)
    return h + phi(x @ p[f"W{n}"] + p[f"b{n}"]) @ p[f"V{n}"] + p[f"c{n}"]


def _check_heads(width: int, heads: int) -> None:
    check_positive("heads", (heads,))
    if width % heads:
        raise ArchitectureError(f"heads={heads}: the width {width} is a multiple of it")


def vision_transformer(
    image: tuple[int, int],
    patch: int,
    channels: int,
    depth: int,
    width: int,
    heads: int,
    mlp_width: int,
    classes: int,
    phi: Activation | str = "gelu",
) -> Architecture:
    """Patches, a class token, positions, blocks, LayerNorm, an affine map (arXiv 2010.11929).

    Axes ``H, W, c`` (image), ``ph, pw`` (places of a patch), ``t`` (tokens), ``d``, those of the
    blocks, ``y``; parameters ``E (ph, pw, c, d)``, ``e (d,)``, ``cls (d,)``, ``pos (t, d)``, the
    blocks', ``gain``, ``shift``, ``U (d, y)``, ``u (y,)``.

    Args:
        image: height and width, multiples of ``patch``.
        patch: height and width of a patch.
        channels: of the image.
        depth: number of blocks.
        width: of the model, a multiple of ``heads``.
        heads: in each block.
        mlp_width: number of hidden units in each block.
        classes: number of outputs.
        phi: the function of the hidden units.

    Raises:
        ArchitectureError: if a number is not positive, or not a multiple of what it must be.

    >>> vision_transformer((4, 4), 2, 1, 1, 4, 2, 6, 3).num_parameters
    221
    """
    check_positive("image", tuple(image), 2)
    check_positive("patch", (patch,))
    check_positive("depth", (depth,))
    _check_heads(width, heads)
    if any(n % patch for n in image):
        raise ArchitectureError(f"image={tuple(image)}: height and width are multiples of {patch}")
    function, normalise = symbol(phi), normalisation("layer", NORMS)
    blocks = range(1, depth + 1)
    sizes = {"H": image[0], "W": image[1], "c": channels, "ph": patch, "pw": patch}
    sizes |= {"t": (image[0] // patch) * (image[1] // patch) + 1, "d": width}
    parameters: Axes = {
        "E": ("ph", "pw", "c", "d"),
        "e": ("d",),
        "cls": ("d",),
        "pos": ("t", "d"),
    }
    for n in blocks:
        sizes |= _block_sizes(n, width, heads, mlp_width)
        parameters |= _block_parameters(n, "layer")
    sizes["y"] = classes
    parameters |= normalisation_parameters("layer", "", "d") | {"U": ("d", "y"), "u": ("y",)}

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = conv2d(x, p["E"], stride=p["E"].shape[:2]) + p["e"]
        batch, d = h.shape[0], h.shape[3]
        token = np.broadcast_to(p["cls"], (batch, 1, d))
        h = np.concatenate([token, np.reshape(h, (batch, -1, d))], axis=1) + p["pos"]
        for n in blocks:
            h = _block(p, n, h, normalise, function, causal=False)
        return normalise(p, "", h)[:, 0] @ p["U"] + p["u"]

    shape = f"{image[0]}x{image[1]}:{patch}:{dashed(channels, depth, width, heads, mlp_width)}"
    return Architecture(
        forward,
        sizes=sizes,
        parameters=parameters,
        inputs=("H", "W", "c"),
        name=f"vit:{shape}:{classes}:{function!r}",
    )


def vit_b16() -> Architecture:
    """ViT-B/16 for 1000 classes of 224×224 images (arXiv 2010.11929, Table 1).

    >>> vit_b16().num_parameters
    86567656
    """
    return vision_transformer((224, 224), 16, 3, 12, 768, 12, 3072, 1000)


def decoder(
    vocab: int,
    context: int,
    depth: int,
    width: int,
    heads: int,
    mlp_width: int,
    *,
    tied: bool = True,
    phi: Activation | str = "gelu",
    norm: str = "layer",
) -> Architecture:
    """Embedding, positions, causal blocks, a normalisation, logits over the vocabulary.

    Axes ``t`` (positions), ``vocab``, ``d`` and those of the blocks; parameters
    ``E (vocab, d)``, ``pos (t, d)``, the blocks', ``gain``, ``shift``, and ``U (d, vocab)`` unless
    the embedding is tied. The input is a vector over the vocabulary for each position, one-hot for
    a token.

    Args:
        vocab: number of tokens.
        context: number of positions.
        depth: number of blocks.
        width: of the model, a multiple of ``heads``.
        heads: in each block.
        mlp_width: number of hidden units in each block.
        tied: whether logits are products with the embedding's rows.
        phi: the function of the hidden units.
        norm: ``layer`` or ``rms``.

    Raises:
        ArchitectureError: if a number is not positive, or a normalisation is unknown.

    >>> decoder(5, 3, 1, 4, 2, 6).num_parameters
    194
    """
    check_positive("depth", (depth,))
    _check_heads(width, heads)
    function, normalise = symbol(phi), normalisation(norm, NORMS)
    blocks = range(1, depth + 1)
    sizes = {"t": context, "vocab": vocab, "d": width}
    parameters: Axes = {"E": ("vocab", "d"), "pos": ("t", "d")}
    for n in blocks:
        sizes |= _block_sizes(n, width, heads, mlp_width)
        parameters |= _block_parameters(n, norm)
    parameters |= normalisation_parameters(norm, "", "d")
    if not tied:
        parameters["U"] = ("d", "vocab")

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = embedding(x, p["E"]) + p["pos"]
        for n in blocks:
            h = _block(p, n, h, normalise, function, causal=True)
        return normalise(p, "", h) @ (p["E"].T if tied else p["U"])

    options = [] if norm == "layer" and tied else [norm]
    written = "".join(f":{option}" for option in (*options, *(() if tied else ("untied",))))
    shape = dashed(vocab, context, depth, width, heads, mlp_width)
    return Architecture(
        forward,
        sizes=sizes,
        parameters=parameters,
        inputs=("t", "vocab"),
        name=f"decoder:{shape}:{function!r}{written}",
    )
