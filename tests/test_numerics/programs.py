"""Random NumPy programs whose float64 value is exact.

Entries are small integers and every length is a power of 2, so sums, products, means and variances
are dyadic rational numbers. A step whose result might need more than 50 bits, for some arrays with
such entries, is not taken. Running a program on arrays and evaluating its trace must then give
equal arrays, not close ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log2, prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

LENGTHS = st.sampled_from([1, 2, 4])
MAX_BITS = 50


@dataclass(frozen=True)
class Step:
    """A call, the positions of its operands, and how it reads in a report."""

    call: Callable[..., Any]
    operands: tuple[int, ...]
    text: str

    def __repr__(self) -> str:
        return f"{self.text}{self.operands}"


@dataclass(frozen=True)
class Program:
    """Integer arrays ``x0, x1, …`` and steps, each appending a value."""

    given: tuple[NDArray[np.float64], ...]
    steps: tuple[Step, ...]

    def run(self, arrays: Any) -> Any:
        """The last value, from arrays or traced arrays."""
        values = list(arrays)
        for step in self.steps:
            values.append(step.call(*(values[k] for k in step.operands)))
        return values[-1]

    @property
    def inputs(self) -> dict[str, NDArray[np.float64]]:
        return {f"x{k}": a for k, a in enumerate(self.given)}


@dataclass(frozen=True)
class _Sized:
    """A value, its number of bits after the binary point, and a bound of its entries."""

    array: Any
    fraction: int
    largest: float

    def fits(self) -> bool:
        small = self.array.ndim <= 5 and self.array.size <= 512
        return small and log2(self.largest) + self.fraction <= MAX_BITS


@st.composite
def programs(draw, max_steps=5):
    values = [_Sized(draw(_integers()), 0, 4.0) for _ in range(draw(st.integers(1, 3)))]
    given = tuple(v.array for v in values)
    steps: list[Step] = []
    for _ in range(draw(st.integers(2, max_steps))):
        make, size = draw(st.sampled_from(KINDS))
        made = make(draw, [v.array for v in values])
        if made is None:
            continue
        operands = [values[k] for k in made.operands]
        result = made.call(*(v.array for v in operands))
        sized = _Sized(np.asarray(result), *size(operands, result))
        if sized.fits():
            steps.append(made)
            values.append(sized)
    return Program(given, tuple(steps))


@st.composite
def _integers(draw):
    shape = tuple(draw(st.lists(LENGTHS, max_size=3)))
    entries = draw(st.lists(st.integers(-4, 4), min_size=prod(shape), max_size=prod(shape)))
    return np.array(entries, dtype=np.float64).reshape(shape)


def _pick(draw, arrays):
    return draw(st.integers(0, len(arrays) - 1))


def _binary(function):
    def make(draw, arrays):
        i, j = _pick(draw, arrays), _pick(draw, arrays)
        try:
            function(arrays[i], arrays[j])
        except ValueError:
            return None
        return Step(function, (i, j), function.__name__)

    return make


def _einsum(draw, arrays):
    i, j = _pick(draw, arrays), _pick(draw, arrays)
    left = "abcde"[: arrays[i].ndim]
    right = ""
    for n in arrays[j].shape:
        same = [c for c in left if arrays[i].shape[left.index(c)] == n and c not in right]
        right += draw(st.sampled_from([*same, "vwxyz"[len(right)]]))
    labels = sorted(set(left + right))
    out = draw(st.permutations(labels))[: draw(st.integers(0, len(labels)))]
    subscripts = f"{left},{right}->{''.join(out)}"
    return Step(lambda a, b: np.einsum(subscripts, a, b), (i, j), f"einsum[{subscripts}]")


def _slice(draw, arrays):
    i = _pick(draw, arrays)
    keys: list[Any] = []
    listed = False
    for n in arrays[i].shape:
        some = st.sampled_from(["all", "integer", "slice", "list"])
        match draw(some):
            case "all":
                keys.append(slice(None))
            case "integer":
                keys.append(draw(st.integers(-n, n - 1)))
            case "slice":
                found = draw(st.slices(n))
                # An empty array has no mean: keep at least one entry.
                keys.append(found if len(range(n)[found]) in (1, 2, 4) else slice(None))
            case "list" if not listed:
                listed = True
                count = draw(LENGTHS)
                keys.append(draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count)))
            case _:
                keys.append(slice(None))
    if not listed:
        cut = draw(st.integers(0, len(keys)))
        keys = draw(st.sampled_from([keys, [*keys[:cut], None, *keys[cut:]], [..., *keys]]))
    key = tuple(keys)
    return Step(lambda a: a[key], (i,), f"index[{key}]")


def _reduction(function):
    def make(draw, arrays):
        i = _pick(draw, arrays)
        axes = st.sets(st.integers(0, arrays[i].ndim - 1)) if arrays[i].ndim else st.just(set())
        axis = draw(st.one_of(st.none(), axes.map(tuple)))
        keep = draw(st.booleans())
        return Step(
            lambda a: function(a, axis=axis, keepdims=keep),
            (i,),
            f"{function.__name__}[axis={axis}, keepdims={keep}]",
        )

    return make


def _joined(function, added):
    def make(draw, arrays):
        i = _pick(draw, arrays)
        same = [k for k, a in enumerate(arrays) if a.shape == arrays[i].shape]
        operands = (i, *draw(st.lists(st.sampled_from(same), min_size=1, max_size=1)))
        ndim = arrays[i].ndim + added
        if not ndim:
            return None
        axis = draw(st.integers(-ndim, ndim - 1))
        return Step(
            lambda *a: function(a, axis=axis), operands, f"{function.__name__}[axis={axis}]"
        )

    return make


def _rearranged(draw, arrays):
    i = _pick(draw, arrays)
    a = arrays[i]
    order = tuple(draw(st.permutations(range(a.ndim))))
    place = draw(st.integers(0, a.ndim))
    shape = (*a.shape[:place], -1)
    wide = (2, *a.shape)
    choices: list[tuple[str, Callable[..., Any]]] = [
        (f"transpose{order}", lambda x: np.transpose(x, order)),
        (f"reshape{shape}", lambda x: np.reshape(x, shape)),
        ("ravel", np.ravel),
        (f"expand_dims({place})", lambda x: np.expand_dims(x, place)),
        ("squeeze", np.squeeze),
        (f"broadcast_to{wide}", lambda x: np.broadcast_to(x, wide)),
        ("negative", np.negative),
        ("relu", lambda x: np.maximum(x, 0)),
        ("absolute", np.absolute),
        ("add a number", lambda x: 0.5 + x),
    ]
    if a.ndim >= 2:
        choices.append(("swapaxes(0, -1)", lambda x: np.swapaxes(x, 0, -1)))
        choices.append(("moveaxis(0, -1)", lambda x: np.moveaxis(x, 0, -1)))
    text, call = draw(st.sampled_from(choices))
    return Step(call, (i,), text)


# Bits after the point, and the largest absolute value, that a step's result may have at any entry
# and on the way there.
Size = tuple[int, float]


def _plain(operands: list[_Sized], result: Any) -> Size:
    return max(1, *(v.fraction for v in operands)), 1 + sum(v.largest for v in operands)


def _product(operands: list[_Sized], result: Any) -> Size:
    a, b = operands
    terms = a.array.size * b.array.size / max(np.size(result), 1)
    return a.fraction + b.fraction, a.largest * b.largest * max(terms, 1)


def _sum(operands: list[_Sized], result: Any) -> Size:
    (a,) = operands
    return a.fraction, a.largest * a.array.size


def _mean(operands: list[_Sized], result: Any) -> Size:
    fraction, largest = _sum(operands, result)
    return fraction + int(log2(operands[0].array.size)), largest


def _variance(operands: list[_Sized], result: Any) -> Size:
    (a,) = operands
    bits = int(log2(a.array.size))
    return 2 * (a.fraction + bits) + bits, 4 * a.largest**2 * a.array.size


KINDS: list[tuple[Callable[..., Step | None], Callable[..., Size]]] = [
    (_binary(np.add), _plain),
    (_binary(np.subtract), _plain),
    (_binary(np.multiply), _product),
    (_binary(np.matmul), _product),
    (_binary(np.maximum), _plain),
    (_einsum, _product),
    *[(_slice, _plain)] * 2,
    *[(_rearranged, _plain)] * 4,  # it has many forms
    (_reduction(np.sum), _sum),
    (_reduction(np.mean), _mean),
    (_reduction(np.var), _variance),
    (_joined(np.concatenate, 0), _plain),
    (_joined(np.stack, 1), _plain),
]
