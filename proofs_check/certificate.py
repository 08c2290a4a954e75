"""Certificates: an exact proof of invariance as JSON that another program re-checks.

A certificate holds the forward graph, the points and the tangent space as explicit vectors, what
the prover drew and found, and what is assumed. :mod:`proofs_check.checker` re-checks it by forward
mode, without NumPy and without the code that proved it. The text is canonical, so equal proofs
have equal bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import floor, lcm, prod
from pathlib import Path
from typing import Any

from numerics.exact import ExactResult
from numerics.primes import HIGH, LOW
from proofs_check import checker
from proofs_check.errors import CertificateError
from proofs_check.files import write_text
from proofs_check.prove import Answer
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.errors import GraphError
from theory.graph import Graph
from theory.manifold.base import Manifold
from theory.manifold.cloned import ClonedManifold
from theory.manifold.elimination import Row, row_echelon
from theory.partition import AxisPartition
from theory.primitives import Apply
from theory.serialisation import graph_to_json

Data = dict[str, Any]


def make_certificate(
    architecture: Architecture, points: Manifold, tangent: Manifold, result: ExactResult
) -> str:
    """The text of the certificate of a proof: the gradient on ``points`` is tangent to ``tangent``.

    Args:
        architecture: the network that was proved.
        points: where the parameters lie.
        tangent: the set whose tangent space holds the gradient.
        result: what the exact check found for them.

    Raises:
        CertificateError: if the result is no proof, or the network is beyond what the checker
            reads.

    >>> from numerics.exact import prove_invariance
    >>> from theory.manifold import equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 2])
    >>> clones = equitable(net, make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]}))
    >>> text = make_certificate(net, clones, clones, prove_invariance(net, clones))
    >>> checker.Certificate(text).check()["verdict"]
    'accepted'
    """
    if result.verdict != "proved":
        raise CertificateError(f"no certificate: {result.summary()}")
    graph = architecture.unfrozen().graph(result.batch)
    try:
        written = graph_to_json(graph)
    except GraphError as error:
        raise CertificateError(f"no certificate: {error}") from None
    data: Data = {
        "format": checker.FORMAT,
        "version": checker.VERSION,
        "bits": floor(min(result.error_bits, checker.MAX_BITS)),
        "batch": result.batch,
        "num_parameters": architecture.num_parameters,
        "network": {
            "name": architecture.name,
            "sizes": dict(architecture.sizes),
            "parameters": [
                {"name": p, "axes": list(axes)} for p, axes in architecture.parameters.items()
            ],
        },
        "graph": written,
        "frozen": _frozen_units(architecture, graph),
        "points": _manifold_to_json(points, is_linear=False),
        "tangent": _manifold_to_json(tangent, is_linear=True),
        "prover": {
            "method": checker.METHOD,
            "seed": result.seed,
            "window": [LOW, HIGH],
            "primes": list(result.primes),
            "degree": result.bound.degree,
            "arguments": result.bound.arguments,
            "argument_degree": result.bound.argument_degree,
        },
    }
    data["assumptions"] = checker.assumptions(data)
    data["digests"] = checker.digests(data)
    text = checker.canonical(data) + "\n"
    try:
        checker.Certificate(text)
    except checker.RejectedError as error:
        raise CertificateError(f"no certificate: {error}") from None
    return text


def write_certificate(answer: Answer, path: str | Path) -> None:
    """Write the certificate of a proved answer; what is not proved writes nothing.

    Raises:
        CertificateError: if there is no proof, or none that the checker reads.
        OutputError: if the file cannot be written.
    """
    question = answer.question
    if answer.result is None:
        raise CertificateError(
            "no certificate: the exact check was left out for a network of this size; ask for it "
            "with --method exact"
        )
    write_text(
        path,
        make_certificate(question.architecture, question.points, question.tangent, answer.result),
    )


def replay(path: str | Path) -> Data:
    """The report of the checker in a fresh Python that sees the standard library alone.

    Raises:
        CertificateError: if the file is missing or no JSON, or the checker fails.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", checker.__file__, str(path), os.urandom(16).hex()],
        capture_output=True,
        check=False,
        text=True,
    )
    try:
        report: Data = json.loads(done.stdout)
    except ValueError:
        raise CertificateError(f"{path}: the checker ended with status {done.returncode}") from None
    if done.returncode not in (0, 1):
        raise CertificateError(f"{path}: {report['reason']}")
    return report


def _frozen_units(architecture: Architecture, graph: Graph) -> list[Data]:
    names = axis_names(graph, architecture.declared_axes)
    return [
        {"node": k, "axis": position, "unit": unit, "value": str(value)}
        for k, node in enumerate(graph.nodes)
        if isinstance(node.primitive, Apply)
        for position, axis in enumerate(names[k])
        for unit, value in sorted(architecture.frozen.get(str(axis), {}).items())
    ]


def _manifold_to_json(manifold: Manifold, *, is_linear: bool) -> Data:
    if isinstance(manifold, ClonedManifold) and (is_linear or manifold.offset is None):
        parts = _cloned_to_json(manifold)
    else:
        parts = _affine_to_json(manifold, is_linear=is_linear)
    return {"name": manifold.name, "dimension": manifold.dimension, **parts}


def _cloned_to_json(manifold: ClonedManifold) -> Data:
    numbers: dict[AxisPartition, int] = {}
    parts = [
        {
            "axes": [numbers.setdefault(axis, len(numbers)) for axis in axes],
            "patterns": sorted(manifold.allowed[p]),
        }
        for p, axes in manifold.axes.items()
    ]
    axes = [
        {
            "size": axis.size,
            "kept": [
                _vector(v) for v in axis.constant_basis() if len(v) > 1 or set(v.values()) != {1}
            ],
            "rest": [_vector(v) for v in axis.mixed_basis()],
        }
        for axis in numbers
    ]
    return {"axes": axes, "parts": parts, "offset": []}


def _affine_to_json(manifold: Manifold, *, is_linear: bool) -> Data:
    starts, total = {}, 0
    for p, shape in manifold.shapes.items():
        starts[p] = total
        total += prod(shape)
    rows: list[Row] = []
    for row in manifold.constraints():
        scale = lcm(row.value.denominator, *(c.denominator for c in row.terms.values()))
        whole = {starts[p] + e: int(c * scale) for (p, e), c in row.terms.items()}
        rows.append(whole | ({total: int(row.value * scale)} if row.value else {}))
    solved = row_echelon(rows, total).rows
    kept: dict[int, dict[int, Fraction]] = {}
    offset = {}
    for pivot, solution in solved.items():
        for column, a in solution.items():
            share = Fraction(-a, solution[pivot])
            if column == total:
                offset[pivot] = -share
            elif column != pivot:
                kept.setdefault(column, {column: Fraction(1)})[pivot] = share
    normal = [{k: a for k, a in solved[pivot].items() if k != total} for pivot in sorted(solved)]
    return {
        "axes": [
            {
                "size": total,
                "kept": [_vector(kept[column]) for column in sorted(kept)],
                "rest": [_vector(row) for row in normal],
            }
        ],
        "parts": [{"axes": [0], "patterns": ["C"]}],
        "offset": [_vector(offset)] if offset and not is_linear else [],
    }


def _vector(terms: Mapping[int, Fraction | int]) -> Data:
    entries: Iterable[tuple[int, Fraction | int]] = sorted(terms.items())
    return {
        "entries": [k for k, _ in entries],
        "values": [str(Fraction(terms[k])) for k in sorted(terms)],
    }
