"""Tracing an ordinary NumPy function into a graph.

A :class:`Traced` array records what is done to it. NumPy hands every function of its own over
through ``__array_ufunc__`` and ``__array_function__`` (NEP 13 and NEP 18); what
:mod:`theory.numpy_calls` does not list fails at once, naming the call and the supported ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from theory.errors import TraceError
from theory.graph import Builder, Graph
from theory.lowering import index, mean
from theory.numpy_calls import FUNCTIONS, UFUNCS, call_name, unsupported
from theory.primitives import Input, Parameter, Primitive, Shape
from theory.value import Value, number_in

Operand = Any  # a Traced array, a number, or an array of numbers


def trace(
    function: Callable[[dict[str, Traced], dict[str, Traced]], Mapping[str, Any]],
    parameters: Mapping[str, Shape],
    inputs: Mapping[str, Shape],
) -> Graph:
    """Record ``function(parameters, inputs)``, which returns named outputs.

    Raises:
        TraceError: if the function does what a traced array cannot follow.
        GraphError: if a shape is not made of lengths.

    >>> trace(lambda p, x: {"y": np.tanh(x["x"] @ p["W"])}, {"W": (3, 2)}, {"x": (5, 3)})
    Graph of 4 nodes: (x (5, 3), W (3, 2)) -> (y (5, 2))
    """
    if shared := sorted(set(parameters) & set(inputs)):
        raise TraceError(f"{shared[0]!r} is a parameter and an input: a name means one array")
    builder = Builder()
    given = {k: record(builder, Input(k, tuple(s))) for k, s in inputs.items()}
    trained = {k: record(builder, Parameter(k, tuple(s))) for k, s in parameters.items()}
    values = function(trained, given)
    if not isinstance(values, Mapping):
        raise TraceError(f"the function returns {values!r:.60}, expected outputs by name")
    return builder.finish({k: as_traced(builder, value).number for k, value in values.items()})


class Traced(Value, np.lib.mixins.NDArrayOperatorsMixin):
    """An array known only by its shape and by the graph node that computes it."""

    __hash__ = object.__hash__

    @property
    def T(self) -> Traced:
        """The axes in reverse order."""
        return self.transpose()

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Traced:
        """Mean over the given axes, all by default."""
        return mean(self, axis, keepdims=keepdims)

    def __len__(self) -> int:
        if not self.shape:
            raise TraceError("len() of a traced scalar: it has no axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Traced:
        return index(self, key)

    def __setitem__(self, key: Any, value: Any) -> Never:
        raise TraceError(
            f"x[{key!r:.60}] = ...: in-place assignment to a traced array; "
            "build the result with np.concatenate or np.stack"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Traced:
        call = call_name(ufunc) + ("" if method == "__call__" else f".{method}")
        if kwargs.get("out") is not None:
            raise TraceError(
                f"{call} with out=: in-place assignment of a traced array; "
                "write a new value, e.g. x = x + 1"
            )
        if ufunc in COMPARISONS:
            raise TraceError(
                f"{call}: a traced array cannot be compared, it has no numbers; "
                "use np.maximum, np.minimum or an activation such as step"
            )
        if method != "__call__" or ufunc not in UFUNCS or kwargs:
            raise unsupported(call + (f" with {sorted(kwargs)}" if kwargs else ""))
        result: Traced = UFUNCS[ufunc](*(self.lift(a) for a in args))
        return result

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Traced | list[Traced]:
        if function not in FUNCTIONS:
            raise unsupported(call_name(function))
        try:
            found = FUNCTIONS[function](self.lift, *args, **kwargs)
        except TraceError:
            raise
        except (TypeError, ValueError) as error:
            raise TraceError(f"{call_name(function)}: {error}") from None
        return [self.lift(a) for a in found] if isinstance(found, list) else self.lift(found)

    def __bool__(self) -> Never:
        raise TraceError(
            "a traced value has no truth value: Python `if` or `while` on it is not followed; "
            "use np.maximum or an activation"
        )

    def _no_number(self, *_: Any, **__: Any) -> Never:
        raise TraceError(
            f"a traced array of shape {self.shape} has no numbers: float(), int(), np.asarray() "
            "and h[...] = x into an array of numbers are not followed; build arrays with np.stack "
            "or np.concatenate"
        )

    __float__ = __int__ = __index__ = __complex__ = __array__ = _no_number

    if TYPE_CHECKING:  # the mixin's operators return Any

        def __add__(self, other: Operand) -> Traced: ...
        def __radd__(self, other: Operand) -> Traced: ...
        def __sub__(self, other: Operand) -> Traced: ...
        def __rsub__(self, other: Operand) -> Traced: ...
        def __mul__(self, other: Operand) -> Traced: ...
        def __rmul__(self, other: Operand) -> Traced: ...
        def __truediv__(self, other: Operand) -> Traced: ...
        def __rtruediv__(self, other: Operand) -> Traced: ...
        def __matmul__(self, other: Operand) -> Traced: ...
        def __rmatmul__(self, other: Operand) -> Traced: ...
        def __pow__(self, other: Operand) -> Traced: ...
        def __neg__(self) -> Traced: ...
    else:

        def __getattr__(self, name):
            """A method of NumPy's arrays is the NumPy function of that name."""
            if name.startswith("__"):
                raise AttributeError(name)
            function = getattr(np, name, None)
            if callable(function) and function in FUNCTIONS and hasattr(np.ndarray, name):
                return partial(function, self)
            raise UnknownMethodError(str(unsupported(f"x.{name}")))


class UnknownMethodError(TraceError, AttributeError):
    """A method that a traced array lacks; ``hasattr`` sees it as Python expects."""


COMPARISONS = frozenset(
    (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
)


def record(builder: Builder, primitive: Primitive, *operands: Traced) -> Traced:
    """Append a primitive to the graph that is being traced."""
    return Traced(builder, builder.add(primitive, *(a.number for a in operands)))


def as_traced(builder: Builder, value: Operand) -> Traced:
    """A traced array, or an exact constant from numbers.

    Raises:
        TraceError: if a value belongs to another graph, or an entry is no finite number.
    """
    return Traced(builder, number_in(builder, value))
