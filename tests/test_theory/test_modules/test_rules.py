"""Every rule is sound: exact tensors of the operands lie, after the primitive, where it says."""

from fractions import Fraction
from math import prod
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_theory.test_modules.spaces import draw_structure, draw_tensor, is_member
from theory.activation import activation
from theory.graph import Node
from theory.modules.block_structure import aligned, contains
from theory.modules.rules import infer
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Multiply,
    Negative,
    Power,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
    result_shape,
)

seeds = st.integers(0, 2**32 - 1)
DRAWS = 10  # for each seed, where few draws have the rare shapes that a rule is about


def _scrambled(z):
    """A function without any symmetry, on integers."""
    return (z * 2654435761 + 12345) % 1009


def numpy_value(primitive, operands):
    """The value of a primitive on exact arrays."""
    match primitive:
        case Add():
            return operands[0] + operands[1]
        case Subtract():
            return operands[0] - operands[1]
        case Multiply():
            return operands[0] * operands[1]
        case Divide():
            return operands[0] * np.vectorize(lambda v: Fraction(1, v), otypes=[object])(
                operands[1]
            )
        case Negative():
            return -operands[0]
        case Power(n):
            return operands[0] ** n
        case Apply():
            return _scrambled(operands[0])
        case Einsum(subscripts):
            return np.einsum(subscripts, *operands)
        case Sum(axes):
            return operands[0].sum(axis=axes)
        case Broadcast(shape):
            return np.broadcast_to(operands[0], shape)
        case Reshape(shape):
            return operands[0].reshape(shape)
        case Transpose(permutation):
            return operands[0].transpose(permutation)
        case Take(axis, indices):
            return np.take(operands[0], np.array(indices, dtype=int), axis=axis)
        case Scatter(axis, indices, size):
            moved = np.moveaxis(operands[0], axis, 0)
            result = np.zeros((size, *moved.shape[1:]), dtype=object)
            for k, place in enumerate(indices):
                result[place] += moved[k]
            return np.moveaxis(result, 0, axis)
        case Concatenate(axis):
            return np.concatenate(operands, axis=axis)
    raise AssertionError(primitive)


def _check(primitive, spaces, tensors, numbers=None):
    shape = result_shape(primitive, tuple(s.shape for s in spaces))
    node = Node(primitive, tuple(numbers or range(len(spaces))), shape)
    result = infer(node, spaces, {})
    value = np.asarray(numpy_value(primitive, tensors), dtype=object).reshape(shape)
    assert result.shape == shape
    assert sorted(k for f in result.factors for k in f.axes) == list(range(len(shape)))
    assert is_member(result, value)


def _shape(rng, most=3, longest=4):
    return tuple(rng.randint(1, longest) for _ in range(rng.randint(1, most)))


def _one(rng, shape):
    space = draw_structure(rng, shape)
    return space, draw_tensor(rng, space)


@pytest.mark.parametrize("primitive", [Add(), Subtract(), Multiply(), Divide()])
@given(seed=seeds)
def test_elementwise_rules_of_two_operands(primitive, seed):
    rng = Random(seed)
    shape = _shape(rng)
    (one, a), (two, b) = _one(rng, shape), _one(rng, shape)
    if isinstance(primitive, Divide):
        b = b + 1_000_003 * (1 if 0 in two.patterns else 0)  # constants keep it in its space
        if np.any(b == 0) or not is_member(two, b):
            return
    _check(primitive, [one, two], [a, b])


@pytest.mark.parametrize("primitive", [Negative(), Power(2), Power(3), Apply(activation("phi"))])
@given(seed=seeds)
def test_elementwise_rules_of_one_operand(primitive, seed):
    rng = Random(seed)
    space, a = _one(rng, _shape(rng))
    _check(primitive, [space], [a])


@given(seed=seeds)
def test_einsum(seed):
    rng = Random(seed)
    for _ in range(DRAWS):
        letters = "abcd"[: rng.randint(1, 4)]
        sizes = {c: rng.randint(1, 4) for c in letters}
        left = [c for c in letters if rng.random() < 0.7]
        right = [c for c in letters if rng.random() < 0.7]
        rng.shuffle(left)
        rng.shuffle(right)
        out = [
            c for c in letters if (c in left) != (c in right) or (c in left and rng.random() < 0.5)
        ]
        rng.shuffle(out)
        (one, a), (two, b) = (_one(rng, tuple(sizes[c] for c in own)) for own in (left, right))
        primitive = Einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}")
        _check(primitive, [one, two], [a, b])


@given(seed=seeds)
def test_sum_and_transpose(seed):
    rng = Random(seed)
    for _ in range(DRAWS):
        shape = _shape(rng, most=4, longest=3)
        space, a = _one(rng, shape)
        order = list(range(len(shape)))
        rng.shuffle(order)
        _check(Sum(tuple(sorted(order[: rng.randint(1, len(order))]))), [space], [a])
        _check(Transpose(tuple(order)), [space], [a])


@given(seed=seeds)
def test_broadcast(seed):
    rng = Random(seed)
    shape = _shape(rng)
    space, a = _one(rng, shape)
    stretched = tuple(rng.randint(1, 3) if n == 1 else n for n in shape)
    _check(Broadcast((*_shape(rng, most=2), *stretched)), [space], [a])


def _factorised(rng, number):
    """A random shape of that many entries."""
    shape: list[int] = []
    while number > 1 and len(shape) < 3:
        n = rng.choice([d for d in range(1, number + 1) if number % d == 0])
        shape.append(n)
        number //= n
    return (*shape, number)


@given(seed=seeds)
def test_reshape(seed):
    rng = Random(seed)
    for _ in range(DRAWS):
        number = rng.choice([1, 2, 4, 6, 8, 12, 16, 24])
        space, a = _one(rng, _factorised(rng, number))
        _check(Reshape(_factorised(rng, number)), [space], [a])


@given(seed=seeds)
def test_take_and_scatter(seed):
    rng = Random(seed)
    shape = _shape(rng)
    space, a = _one(rng, shape)
    axis = rng.randrange(len(shape))
    n = shape[axis]
    some = tuple(rng.randrange(n) for _ in range(rng.randint(1, 6)))
    everything = list(range(n)) * rng.randint(1, 2)
    rng.shuffle(everything)
    for indices in (some, tuple(everything)):
        _check(Take(axis, indices), [space], [a])
    size = n + rng.randint(0, 2)
    places = tuple(rng.randrange(size) for _ in range(n))
    apart = tuple(rng.sample(range(size), n))
    for indices in (places, apart):
        _check(Scatter(axis, indices, size), [space], [a])


@given(seed=seeds)
def test_concatenate(seed):
    rng = Random(seed)
    shape = _shape(rng)
    axis = rng.randrange(len(shape))
    known: dict[int, Any] = {}
    numbers = [rng.randrange(3) for _ in range(rng.randint(1, 4))]
    for number in numbers:
        own = (*shape[:axis], rng.randint(1, 3), *shape[axis + 1 :])
        known.setdefault(number, _one(rng, own))
    spaces, tensors = zip(*(known[number] for number in numbers), strict=True)
    _check(Concatenate(axis), list(spaces), list(tensors), numbers)


@given(seed=seeds)
def test_constant(seed):
    rng = Random(seed)
    shape = _shape(rng)
    values = tuple(Fraction(rng.randint(0, 2)) for _ in range(prod(shape)))
    result = infer(Node(Constant(values, shape), (), shape), [], {})
    assert is_member(result, np.array(values, dtype=object).reshape(shape))


@given(seed=seeds)
def test_a_zero_tensor_may_stand_anywhere(seed):
    rng = Random(seed)
    shape = _shape(rng)
    space, a = _one(rng, shape)
    nothing = infer(Node(Constant((Fraction(0),) * prod(shape), shape), (), shape), [], {})
    assert infer(Node(Add(), (0, 1), shape), [space, nothing], {}) == space
    _check(Multiply(), [space, nothing], [a, a * 0])
    _check(Concatenate(0), [space, nothing], [a, a * 0])
    _check(Apply(activation("phi")), [nothing], [a * 0])


@given(seed=seeds)
def test_refinement_and_membership_agree_with_the_tensors(seed):
    rng = Random(seed)
    shape = _shape(rng)
    (one, a), (two, _) = _one(rng, shape), _one(rng, shape)
    if contains(two, one):
        assert is_member(two, a)
    assert contains(one, one)
    factors, (patterns, _) = aligned([one, two])
    assert is_member(type(one)(shape, factors, patterns), a)
