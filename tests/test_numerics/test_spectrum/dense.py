"""The dense Hessian of the loss, and its restriction to the normal space of IE∩OE.

Shares with :mod:`numerics.spectrum` only the network's graph and number systems: the loss is part
of the graph here, its Gauss-Newton part is not left out, and the normal space is the manifold's.
"""

from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.flow.field import field
from numerics.systems.float64 import Float64
from theory.backprop import pushforward
from theory.manifold import equitable

FUNCTIONS = {
    "generic": (lambda z: np.sin(z + 0.3), lambda z: np.cos(z + 0.3), lambda z: -np.sin(z + 0.3)),
    "odd": (np.sin, np.cos, lambda z: -np.sin(z)),
    "even": (np.cos, lambda z: -np.sin(z), lambda z: -np.cos(z)),
}


def by_parity(graph):
    """Float64 with functions for the unknown symbols of a graph; one parity a name is assumed."""
    functions: dict[str, Any] = {}
    for node in graph.nodes:
        symbol = getattr(node.primitive, "activation", None)
        if symbol is not None and not symbol.is_known:
            chain = FUNCTIONS[symbol.parity or "generic"]
            functions[repr(symbol)] = chain[0]
            for derivative in chain[1:]:
                symbol = symbol.derivative_symbol()
                functions[repr(symbol)] = derivative
    return Float64(functions)


def full_hessian(net, theta, task, loss, system):
    shapes = net.parameter_shapes
    total = net.num_parameters
    unit = np.eye(total)
    directions, start = {}, 0
    for p, shape in shapes.items():
        stop = start + int(np.prod(shape))
        directions[f"tangent:{p}"] = unit[:, start:stop].reshape(total, *shape)
        start = stop
    graph = pushforward(field(net, loss, len(task.x)), list(shapes))
    found = Evaluator(graph, system, lead=1)({**theta, "x": task.x, "target": task.y, **directions})
    columns = [
        np.broadcast_to(found[f"tangent:rate:{p}"], (total, *shape)).reshape(total, -1)
        for p, shape in shapes.items()
    ]
    return -np.concatenate(columns, axis=1).T


def dense_vectors(basis, shapes):
    starts, start = {}, 0
    for p, shape in shapes.items():
        starts[p] = start
        start += int(np.prod(shape))
    vectors = list(basis)
    rows = np.zeros((len(vectors), start))
    for row, vector in zip(rows, vectors, strict=True):
        for (p, e), c in vector.items():
            row[starts[p] + e] = float(c)
    return rows


def normal_spectrum(net, partition, theta, task, loss, system):
    """Eigenvalues on the normal space, and the largest entry that couples it to the tangent one."""
    manifold = equitable(net, partition)
    shapes = net.parameter_shapes
    hessian = full_hessian(net, theta, task, loss, system)
    normal = np.linalg.qr(dense_vectors(manifold.normal_basis(), shapes).T)[0]
    inside = normal.T @ hessian @ normal
    leak = np.abs(hessian @ normal - normal @ inside).max(initial=0.0)
    return np.linalg.eigvalsh((inside + inside.T) / 2), leak


def repeated(blocks):
    """All eigenvalues of the blocks with their multiplicities, ascending."""
    parts = [np.repeat(b.eigenvalues(), b.multiplicity, axis=-1) for b in blocks]
    return np.sort(np.concatenate([np.zeros(0), *parts]))
