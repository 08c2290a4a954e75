"""What a certificate says, in words, read from what the checker checked and nothing else.

A certificate names no network, no manifold and no axes: these words would not be checked. What it
holds are the parameters' shapes, a space of points, and the laws that training keeps there.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from typing import Any

from theory.conserved import conserved_groups

MAX_LAWS = 5_000  # that are sorted into kinds: seconds


def certificate_lines(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Labels and texts: what an accepted certificate proves, and what it assumes."""
    nodes = data["graph"]["nodes"]
    shapes = {f["name"]: tuple(f["shape"]) for f in nodes if f["primitive"] == "Parameter"}
    named = ", ".join(f"{p} ({' × '.join(map(str, s)) or 'scalar'})" for p, s in shapes.items())
    samples = f"batches of {data['batch']} samples" if data["batch"] > 1 else "all samples"
    points, tangent = data["points"], data["tangent"]
    laws = _laws(shapes, tangent["normals"])
    return [
        ("network", f"{data['num_parameters']} parameters, {len(nodes)} nodes: {named}"),
        ("points", f"an affine set of dimension {points['dimension']}"),
        ("tangent", f"of dimension {tangent['dimension']}; at the points no gradient changes"),
        *(("", law) for law in laws or ["nothing is kept: every direction is tangent"]),
        ("scope", f"{samples}, every adjoint of the outputs, so every differentiable loss"),
        *(("assumes" if k == 0 else "", text) for k, text in enumerate(data["assumptions"])),
    ]


def _laws(shapes: dict[str, tuple[int, ...]], normals: list[Any]) -> list[str]:
    if len(normals) > MAX_LAWS:
        return [f"{len(normals):,} laws, too many to be sorted here"]
    entries = [(p, e) for p, shape in shapes.items() for e in range(prod(shape))]
    functionals = [{entries[k]: Fraction(v) for k, v in normal} for normal in normals]
    axes = {p: tuple(f"{p}.{k}" for k in range(len(shape))) for p, shape in shapes.items()}
    sizes = {a: n for p, shape in shapes.items() for a, n in zip(axes[p], shape, strict=True)}
    groups = conserved_groups(functionals, axes, sizes)
    width = max((len(str(group.dimension)) for group in groups), default=0)
    return [f"{group.dimension:>{width}}  {group.text}" for group in groups]
