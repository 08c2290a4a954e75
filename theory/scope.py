"""Names for the parts of a computation: which layer made which node.

A scope is a label for readers. It takes no part in the identity of a node: a value that two layers
compute alike is one node, of the layer that was first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from theory.graph import Builder
from theory.value import Value

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def scope(builder: Builder, name: str) -> Iterator[None]:
    """Nodes recorded inside belong to ``name``, with a number from the second use on.

    Inside another scope the name follows after a slash: ``attention 2/softmax``.
    """
    outer = builder.scope
    path = f"{outer}/{name}" if outer else name
    count = builder.scopes[path] = builder.scopes.get(path, 0) + 1
    builder.scope = path if count == 1 else f"{path} {count}"
    try:
        yield
    finally:
        builder.scope = outer


def layer(function: Callable[P, R]) -> Callable[P, R]:
    """Let the nodes that a function of traced arrays records bear the function's name.

    >>> import numpy as np
    >>> from theory.tracing import trace
    >>> @layer
    ... def double(x):
    ...     return x + x
    >>> graph = trace(lambda p, x: {"y": double(p["w"])}, {"w": (2,)}, {})
    >>> [node.scope for node in graph.nodes]
    ['', 'double']
    """

    @wraps(function)
    def named(*args: P.args, **kwargs: P.kwargs) -> R:
        builder = _builder_of((*args, *kwargs.values()))
        if builder is None:
            return function(*args, **kwargs)
        with scope(builder, function.__name__):
            return function(*args, **kwargs)

    return named


def _builder_of(arguments: Iterable[Any]) -> Builder | None:
    for one in arguments:
        if isinstance(one, Value):
            return one.builder
        if isinstance(one, tuple | list | dict):
            inside = one.values() if isinstance(one, dict) else one
            if (found := _builder_of(inside)) is not None:
                return found
    return None
