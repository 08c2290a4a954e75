"""Architectures by name.

A name is a kind and its fields, separated by colons: numbers joined by ``-`` (an image by ``x``),
then a function, then options, the last two optional.

    mlp:WIDTHS[:φ]                          gated_mlp:WIDTHS[:φ]
    cnn:HxW:CHANNELS:CLASSES[:φ[:NORM[:POOL[:flat]]]]
    resnet:HxW:CHANNELS-WIDTH:BLOCKS:CLASSES[:φ[:NORM]]                       resnet50
    vit:HxW:PATCH:CHANNELS-DEPTH-WIDTH-HEADS-MLP:CLASSES[:φ]                  vit_b16
    decoder:VOCAB-CONTEXT-DEPTH-WIDTH-HEADS-MLP[:φ[:NORM[:untied]]]
    rnn:INPUTS-HIDDEN-OUTPUTS-STEPS[:φ]     gru:INPUTS-HIDDEN-OUTPUTS-STEPS[:φ]

An option may be ``none`` where another follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from theory.activation import LAWS
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.zoo.cnn import cnn
from theory.zoo.mlp import gated_mlp, mlp
from theory.zoo.recurrent import rnn
from theory.zoo.resnet import resnet, resnet50
from theory.zoo.transformer import decoder, vision_transformer, vit_b16

FORMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "mlp": ("mlp:WIDTHS[:φ]", "x, h1, h2, …, y"),
        "gated_mlp": ("gated_mlp:WIDTHS[:φ]", "x, h1, h2, …, y"),
        "cnn": (
            "cnn:HxW:CHANNELS:CLASSES[:φ[:NORM[:POOL[:flat]]]]",
            "c0, c1, … (channels), y, H, W, kh, kw (places of image and kernel)",
        ),
        "resnet": (
            "resnet:HxW:CHANNELS-WIDTH:BLOCKS:CLASSES[:φ[:NORM]]",
            "c, d0, d1, … (on the skips), m1, n1, … (inside block 1), y, H, W, sh, sw, kh, kw",
        ),
        "resnet50": ("resnet50", "as resnet"),
        "vit": (
            "vit:HxW:PATCH:CHANNELS-DEPTH-WIDTH-HEADS-MLP:CLASSES[:φ]",
            "d (model), head1, k1, v1, m1 (block 1), …, y, t (tokens), H, W, c, ph, pw",
        ),
        "vit_b16": ("vit_b16", "as vit"),
        "decoder": (
            "decoder:VOCAB-CONTEXT-DEPTH-WIDTH-HEADS-MLP[:φ[:NORM[:untied]]]",
            "vocab, d (model), head1, k1, v1, m1 (block 1), …, t (positions)",
        ),
        "rnn": ("rnn:INPUTS-HIDDEN-OUTPUTS-STEPS[:φ]", "x, h, y, t (time)"),
        "gru": ("gru:INPUTS-HIDDEN-OUTPUTS-STEPS[:φ]", "x, h, y, t (time)"),
    }
)
"""How the name of every kind is written, and the axes of such a network."""

EXAMPLES = (
    "mlp:3-4-4-2:tanh",
    "gated_mlp:3-4-2:silu",
    "cnn:8x8:1-4-8:10:relu:batch:max",
    "resnet:8x8:3-2:1-1:10:relu",
    "resnet50",
    "vit:8x8:4:3-2-8-2-16:10:gelu",
    "vit_b16",
    "decoder:11-4-2-8-2-16:gelu",
    "rnn:3-4-2-5:tanh",
    "gru:3-4-2-5:tanh",
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind is written and built.

    Attributes:
        fields: what each field of numbers looks like: a count of numbers, 0 for one or more, or
            ``x`` for an image.
        build: from the fields, then a function and options by keyword.
        phi: the default function, None if there is none to choose.
        options: keyword of each option.
    """

    fields: tuple[int | str, ...]
    build: Callable[..., Architecture]
    phi: str | None = "phi"
    options: tuple[str, ...] = ()


KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "mlp": _Kind((0,), lambda widths, **o: mlp(widths, **o)),
        "gated_mlp": _Kind((0,), lambda widths, **o: gated_mlp(widths, **o)),
        "cnn": _Kind(
            ("x", 0, 1),
            lambda image, channels, classes, **o: cnn(image, channels, classes[0], **o),
            options=("norm", "pool", "flat"),
        ),
        "resnet": _Kind(
            ("x", 2, 0, 1),
            lambda image, widths, blocks, classes, **o: resnet(
                image, widths[0], widths[1], blocks, classes[0], **o
            ),
            "relu",
            ("norm",),
        ),
        "resnet50": _Kind((), resnet50, None),
        "vit": _Kind(
            ("x", 1, 5, 1),
            lambda image, patch, shape, classes, **o: vision_transformer(
                image, patch[0], *(*shape, classes[0]), **o
            ),
            "gelu",
        ),
        "vit_b16": _Kind((), vit_b16, None),
        "decoder": _Kind((6,), lambda shape, **o: decoder(*shape, **o), "gelu", ("norm", "tied")),
        "rnn": _Kind((4,), lambda shape, **o: rnn(*shape, **o), "tanh"),
        "gru": _Kind((4,), lambda shape, **o: rnn(*shape, cell="gru", **o), "tanh"),
    }
)

WORDS = MappingProxyType({"flat": ("flat", True), "tied": ("untied", False)})


def from_name(name: str) -> Architecture:
    """The architecture of a name such as ``mlp:3-4-4-2:tanh`` or ``cnn:8x8:1-4-8:10:relu``.

    Raises:
        ArchitectureError: if the name does not have the form that its kind asks for (the module
            lists them), or the function is neither a known one nor ``phi``, the arbitrary one.

    >>> from_name("mlp:3-4-4-2:tanh").sizes["h2"]
    4
    >>> from_name("rnn:3-4-2-5").parameters["u"]
    ('h', 'h')
    """
    written, *parts = name.split(":")
    kind = KINDS.get(written)
    if kind is None:
        raise ArchitectureError(
            f"{name!r:.80}: no architecture of that name; an example is {EXAMPLES[0]}; others are "
            + ", ".join(EXAMPLES[1:])
        )
    example = next(e for e in EXAMPLES if e.split(":")[0] == written)
    numbers = [_numbers(form, part) for form, part in zip(kind.fields, parts, strict=False)]
    chosen = parts[len(kind.fields) :]
    most = len(kind.options) + 1 if kind.phi else 0
    if len(numbers) < len(kind.fields) or None in numbers or len(chosen) > most:
        raise ArchitectureError(
            f"{name!r:.80}: no architecture of that name; expected {FORMS[written][0]}; an "
            f"example is {example}"
        )
    if not kind.phi:
        return kind.build()
    phi = chosen[0] if chosen else kind.phi
    if phi not in ("phi", *LAWS):
        known = ", ".join(["phi", *LAWS])
        raise ArchitectureError(f"{name!r:.80}: unknown activation {phi!r}; there are {known}")
    options: dict[str, Any] = {}
    for keyword, word in zip(kind.options, chosen[1:], strict=False):
        if word != "none":
            options |= {keyword: _option(name, keyword, word)}
    return kind.build(*numbers, phi=phi, **options)


def _numbers(form: int | str, part: str) -> tuple[int, ...] | None:
    """The numbers of one field, None if it does not have the form."""
    separator = "x" if form == "x" else "-"
    count = 2 if form == "x" else form
    if not re.fullmatch(rf"[0-9]+({separator}[0-9]+)*", part):
        return None
    found = tuple(int(n) for n in part.split(separator))
    return found if min(found) > 0 and count in (0, len(found)) else None


def _option(name: str, keyword: str, word: str) -> Any:
    if keyword not in WORDS:
        return word
    expected, value = WORDS[keyword]
    if word != expected:
        raise ArchitectureError(f"{name!r:.80}: unknown option {word!r}, expected {expected!r}")
    return value
