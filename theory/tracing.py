"""Tracing an ordinary NumPy function into a graph.

A :class:`Traced` array records what is done to it. NumPy hands every function of its own over
through ``__array_ufunc__`` and ``__array_function__`` (NEP 13 and NEP 18); what is not listed here
fails at once, naming the call and the supported ones. The lowering of each call to primitives is
in :mod:`theory.lowering`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, prod
from numbers import Rational
from typing import Any, Never

import numpy as np

from theory.activation import Activation, apply
from theory.errors import TraceError
from theory.graph import Builder, Graph
from theory.primitives import (
    Apply,
    Broadcast,
    Constant,
    Input,
    Parameter,
    Primitive,
    Reshape,
    Shape,
    Sum,
    Transpose,
)

Operand = Any  # a Traced array, a number, or an array of numbers


def trace(
    function: Callable[[dict[str, Traced], dict[str, Traced]], Mapping[str, Any]],
    parameters: Mapping[str, Shape],
    inputs: Mapping[str, Shape],
) -> Graph:
    """Record ``function(parameters, inputs)``, which returns named outputs.

    Raises:
        TraceError: if the function does what a traced array cannot follow.

    >>> trace(lambda p, x: {"y": np.tanh(x["x"] @ p["W"])}, {"W": (3, 2)}, {"x": (5, 3)})
    Graph of 4 nodes: (x (5, 3), W (3, 2)) -> (y (5, 2))
    """
    builder = Builder()
    given = {k: record(builder, Input(k, s)) for k, s in inputs.items()}
    trained = {k: record(builder, Parameter(k, s)) for k, s in parameters.items()}
    values = function(trained, given)
    outputs = {name: as_traced(builder, value).number for name, value in values.items()}
    return builder.finish(outputs)


@dataclass(frozen=True, eq=False)
class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array known only by its shape and by the graph node that computes it."""

    builder: Builder
    number: int

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self.builder.nodes[self.number].shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    @property
    def T(self) -> Traced:
        """The axes in reverse order."""
        return self.transpose()

    def __repr__(self) -> str:
        return f"Traced{self.shape}"

    def __len__(self) -> int:
        if not self.shape:
            raise TraceError("len() of a traced scalar: it has no axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        return (self[k] for k in range(len(self)))

    def reshape(self, *shape: Any) -> Traced:
        """The same entries under another shape; one length may be -1.

        Raises:
            TraceError: if the lengths do not fill the array.
        """
        lengths = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        lengths = tuple(int(n) for n in lengths)
        if lengths.count(-1) == 1:
            known = -prod(lengths)
            lengths = tuple(self.size // known if n == -1 and known else n for n in lengths)
        if any(n < 0 for n in lengths) or prod(lengths) != self.size:
            raise TraceError(f"reshape{shape}: does not fit an array of shape {self.shape}")
        return self if lengths == self.shape else record(self.builder, Reshape(lengths), self)

    def transpose(self, *axes: Any) -> Traced:
        """The axes in the given order, reversed by default."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        permutation = tuple(axis_of(k, self.ndim) for k in order or range(self.ndim - 1, -1, -1))
        if permutation == tuple(range(self.ndim)):
            return self
        return record(self.builder, Transpose(permutation), self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Traced:
        """Sum over the given axes, all by default."""
        axes = axes_of(axis, self.ndim)
        if not axes:
            return self
        total = record(self.builder, Sum(axes), self)
        kept = tuple(1 if k in axes else n for k, n in enumerate(self.shape))
        return total.reshape(kept) if keepdims else total

    def mean(self, axis: Any = None, keepdims: bool = False) -> Traced:
        """Mean over the given axes, all by default."""
        count = prod(self.shape[k] for k in axes_of(axis, self.ndim))
        result: Traced = self.sum(axis, keepdims) * Fraction(1, count)
        return result

    def broadcast_to(self, shape: Shape) -> Traced:
        """Stretched to ``shape``, aligned at the right."""
        return self if shape == self.shape else record(self.builder, Broadcast(shape), self)

    def __getitem__(self, key: Any) -> Traced:
        from theory.lowering import index

        return index(self, key)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Traced:
        from theory.lowering import UFUNCS

        if kwargs.get("out") is not None:
            raise TraceError(
                f"np.{ufunc.__name__} with out=: in-place assignment to a traced array; "
                "write a new value, e.g. x = x + 1"
            )
        if method != "__call__" or ufunc not in UFUNCS or kwargs:
            call = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
            raise _unsupported(call + (f" with {sorted(kwargs)}" if kwargs else ""))
        return UFUNCS[ufunc](*(as_traced(self.builder, a) for a in args))

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Traced:
        from theory.lowering import FUNCTIONS

        if function not in FUNCTIONS:
            raise _unsupported(f"np.{function.__name__}")
        try:
            return FUNCTIONS[function](self.builder, *args, **kwargs)
        except TypeError as error:
            raise TraceError(f"np.{function.__name__}: {error}") from None

    def __setitem__(self, key: Any, value: Any) -> Never:
        raise TraceError(
            f"x[{key!r}] = ...: in-place assignment to a traced array; "
            "build the result with np.concatenate or np.stack"
        )

    def __bool__(self) -> Never:
        raise TraceError(
            "a traced value has no truth value: Python `if` or `while` on it is not followed; "
            "use np.maximum or an activation"
        )

    def _no_number(self, *_: Any, **__: Any) -> Never:
        raise TraceError(
            f"a traced array of shape {self.shape} has no numbers: float(), int() and "
            "np.asarray() are not followed"
        )

    __float__ = __int__ = __index__ = __complex__ = __array__ = _no_number
    __hash__ = object.__hash__


@apply.register(Traced)
def _apply_to_traced(z: Traced, activation: Activation) -> Traced:
    return record(z.builder, Apply(activation), z)


def record(builder: Builder, primitive: Primitive, *operands: Traced) -> Traced:
    """Append a primitive to the graph that is being traced."""
    return Traced(builder, builder.add(primitive, *(a.number for a in operands)))


def as_traced(builder: Builder, value: Operand) -> Traced:
    """A traced array, or an exact constant from numbers.

    A float counts as the rational number that it is: ``0.1`` is not 1/10.

    Raises:
        TraceError: if the value is not a finite number or array of finite numbers.
    """
    if isinstance(value, Traced):
        if value.builder is not builder:
            raise TraceError("a traced array of another graph: keep no values between calls")
        return value
    try:
        array = np.asarray(value)
        entries = tuple(_exact(v) for v in array.ravel().tolist())
    except (TypeError, ValueError) as error:
        raise TraceError(f"{value!r:.60}: not an array of finite numbers ({error})") from None
    if len(entries) > 1 and len(set(entries)) == 1:
        return record(builder, Constant(entries[:1], ())).broadcast_to(array.shape)
    return record(builder, Constant(entries, array.shape))


def _exact(value: Any) -> Fraction:
    if isinstance(value, Rational):
        return Fraction(value.numerator, value.denominator)
    if isinstance(value, float) and isfinite(value):
        return Fraction(value)
    raise ValueError(f"entry {value!r}")


def constant_value(a: Traced) -> Fraction | None:
    """The number of which ``a`` consists, if it is a constant with equal entries."""
    node = a.builder.nodes[a.number]
    while isinstance(node.primitive, Broadcast | Reshape):
        node = a.builder.nodes[node.operands[0]]
    if isinstance(node.primitive, Constant) and len(set(node.primitive.values)) == 1:
        return node.primitive.values[0]
    return None


def axis_of(axis: int, ndim: int) -> int:
    """A non-negative axis number.

    Raises:
        TraceError: if there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise TraceError(f"axis={axis}: an array with {ndim} axes has {-ndim}..{ndim - 1}")
    return axis % ndim


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Sorted axis numbers from NumPy's ``axis`` argument, all of them for ``None``."""
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    return tuple(sorted(axis_of(int(k), ndim) for k in axes))


def _unsupported(call: str) -> TraceError:
    from theory.lowering import FUNCTIONS, UFUNCS

    names = sorted({f.__name__ for f in (*UFUNCS, *FUNCTIONS)})
    return TraceError(f"{call} is not supported on traced arrays; supported: {', '.join(names)}")
