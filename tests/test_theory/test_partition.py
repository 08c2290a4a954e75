import re
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.vendor.pretty import pretty

from theory.errors import PartitionError
from theory.partition import AxisPartition, make_partition, parse_blocks, parse_mirrored_blocks


@st.composite
def partitions(draw):
    """Blocks of any sizes, in any order, their units in any order, with signs and zero units."""
    owners = draw(st.lists(st.integers(0, 3), min_size=1, max_size=7))
    units = draw(st.permutations(range(len(owners))))
    blocks: dict[int, list[int]] = {}
    for unit, owner in zip(units, owners, strict=True):
        blocks.setdefault(owner, []).append(unit)
    found = [tuple(block) for block in blocks.values()]
    zero = found.pop() if len(found) > 1 and draw(st.booleans()) else ()
    signs = [draw(st.sampled_from([1, -1])) for _ in owners]
    for unit in (*(block[0] for block in found), *zero):
        signs[unit] = 1
    return AxisPartition(len(owners), tuple(found), tuple(signs), zero)


def arrays(draw, shape):
    entries = draw(st.lists(st.integers(-9, 9), min_size=int(np.prod(shape)), max_size=None))
    return np.array(entries[: int(np.prod(shape))], dtype=object).reshape(shape)


@st.composite
def with_values(draw, length):
    """A partition, and an array in which the given count stands on a drawn axis."""
    partition = draw(partitions())
    axis = draw(st.integers(0, 2))
    shape = [2, 1, 3]
    shape[axis] = getattr(partition, length)
    signed = draw(st.sampled_from([axis, axis - 3]))
    return partition, signed, arrays(draw, tuple(shape))


def as_units(vector, size):
    """A sparse basis vector in full."""
    return np.array([vector.get(u, 0) for u in range(size)], dtype=object)


@given(with_values("num_blocks"))
def test_expand_repeats_block_values_with_signs(drawn):
    partition, axis, values = drawn
    units = partition.expand(values, axis)
    for unit, block in enumerate(partition.block_of):
        own = np.take(units, unit, axis)
        if unit in partition.zero:
            assert not own.any()
        else:
            assert (own == partition.signs[unit] * np.take(values, block, axis)).all()


@given(with_values("size"), st.data())
def test_contrasts_and_block_sums_are_transposes(drawn, data):
    partition, axis, units = drawn
    for gather, spread in (
        (partition.contrasts, partition.complete),
        (partition.block_sums, partition.expand),
    ):
        gathered = gather(units, axis)
        free = arrays(data.draw, gathered.shape)
        assert np.sum(gathered * free) == np.sum(units * spread(free, axis))


@given(with_values("num_mixed"))
def test_complete_has_the_coordinates_of_the_zero_sum_basis(drawn):
    partition, axis, values = drawn
    units = np.moveaxis(partition.complete(values, axis), axis, -1)
    basis = [as_units(v, partition.size) for v in partition.mixed_basis()]
    expected = np.zeros(units.shape, dtype=object)
    for k, vector in enumerate(basis):
        expected = expected + np.take(values, k, axis)[..., None] * vector
    assert (units == expected).all()
    assert not partition.block_sums(units, -1).any()


@given(partitions())
def test_the_two_bases_are_orthogonal_and_complete(partition):
    constant = [as_units(v, partition.size) for v in partition.constant_basis()]
    mixed = [as_units(v, partition.size) for v in partition.mixed_basis()]
    assert len(constant) == partition.num_blocks
    assert len(mixed) == partition.num_mixed
    assert all(c @ m == 0 for c in constant for m in mixed)
    assert sympy.Matrix([*constant, *mixed]).rank() == partition.size


@given(with_values("size"))
def test_means_project_and_sums_add(drawn):
    partition, axis, values = drawn
    means, sums = partition.block_means(values, axis), partition.block_sums(values, axis)
    assert (partition.block_means(means, axis) == means).all()
    assert (partition.block_sums(means, axis) == sums).all()
    for k, block in enumerate(partition.blocks):
        signed = [partition.signs[u] * np.take(values, u, axis) for u in block]
        assert (sum(signed) == np.take(sums, k, axis)).all()
        for unit in block:
            own = partition.signs[unit] * np.take(means, unit, axis)
            assert (own * len(block) == np.take(sums, k, axis)).all()
    assert not np.take(means, [*partition.zero], axis).any()


@pytest.mark.parametrize("kind", [int, object, np.int32])
def test_means_of_integers_are_fractions(kind):
    pair = AxisPartition(2, ((0, 1),))
    means = pair.block_means(np.array([1, 2], dtype=kind), 0)
    assert means.tolist() == [Fraction(3, 2)] * 2
    assert all(isinstance(v, Fraction) for v in means)


def test_means_of_floats_are_floats():
    means = AxisPartition(2, ((0, 1),)).block_means(np.array([1.0, 2.0]), 0)
    assert means.dtype == np.float64


def test_symbols_are_expanded_and_completed():
    a, b = sympy.symbols("a b")
    partition = AxisPartition(3, ((2, 0), (1,)))
    assert partition.expand_vector(np.array([a, b])).tolist() == [a, b, a]
    assert partition.complete_vector(np.array([a])).tolist() == [-a, 0, a]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (((0, 1), (1, 2)), "blocks[1]=(1, 2): unit 1 is in blocks[0] too; blocks are disjoint"),
        (((0, 0, 1, 2),), "unit 0 is in blocks[0] too"),
        (((0, 1),), "unit 2 is in no block: blocks cover the axis"),
        (((0, 1), (2, 3)), "blocks[1]=(2, 3): unit 3 is not in 0..2"),
        (((0, 1), (2, -1)), "unit -1 is not in 0..2"),
        (((0, 1, 2), ()), "blocks[1] is empty: a block has at least one unit"),
        (((0, 1.0), (2,)), "blocks[0]=(0, 1.0): unit 1.0 is not an integer"),
        (((0, True), (2,)), "unit True is not an integer"),
    ],
)
def test_blocks_partition_the_axis(blocks, message):
    with pytest.raises(PartitionError, match=re.escape(message)):
        AxisPartition(3, blocks)


def test_the_basis_of_a_signed_partition_spelled_out():
    partition = AxisPartition(4, ((0, 2), (1,)), signs=(1, 1, -1, 1), zero=(3,))
    assert partition.constant_basis() == [{0: 1, 2: -1}, {1: 1}]
    assert partition.mixed_basis() == [{0: 1, 2: 1}, {3: 1}]
    assert partition.complete(np.array([5, 7]), 0).tolist() == [5, 0, 5, 7]
    assert partition.block_of == (0, 1, 0, 2)
    assert (partition.num_blocks, partition.num_mixed) == (2, 2)


def test_an_axis_of_zero_units():
    nothing = AxisPartition(2, (), zero=(0, 1))
    assert nothing.complete(np.array([3, 4]), 0).tolist() == [3, 4]
    assert nothing.contrasts(np.array([3, 4]), 0).tolist() == [3, 4]
    assert not nothing.block_means(np.array([3.0, 4.0]), 0).any()
    assert nothing.block_sums(np.array([3, 4]), 0).shape == (0,)


def test_signs_that_are_all_plus_cost_nothing():
    plain = AxisPartition(3, ((0, 2), (1,)))
    assert plain == AxisPartition(3, ((0, 2), (1,)), signs=(1, 1, 1))
    assert not plain.is_signed
    values = np.array([1, 2, 3])
    assert AxisPartition(3, ((0,), (1,), (2,))).expand(values, 0) is values


@pytest.mark.parametrize(
    ("signs", "zero", "message"),
    [
        ((1, 1), (), "signs=(1, 1): one of +1 and -1 for each of 3 units"),
        ((1, 1, 0), (), "signs=(1, 1, 0): one of +1 and -1"),
        ((-1, 1, 1), (), "signs[0]=-1: the first unit of a block has +1"),
        ((1, 1, -1), (2,), "signs[2]=-1: the first unit of a block has +1, and so has a zero"),
        ((), (1,), "zero=(1,): unit 1 is in blocks[0] too"),
        ((), (2, 2), "zero=(2, 2): unit 2 is in zero too"),
        ((), (3,), "zero=(3,): unit 3 is not in 0..2"),
    ],
)
def test_signs_and_zero_units_are_validated(signs, zero, message):
    blocks = ((0, 1),) if 2 in zero else ((0, 1), (2,))
    with pytest.raises(PartitionError, match=re.escape(message)):
        AxisPartition(3, blocks, signs, zero)


def test_a_block_and_its_mirror_image_are_the_same():
    one = make_partition({"h": 4}, {"h": [[0, 1], [3, 2]]}, signs={"h": {0: -1, 2: -1}})
    assert one == make_partition({"h": 4}, {"h": [[0, 1], [3, 2]]}, signs={"h": {1: -1, 2: -1}})
    assert one["h"].signs == (1, -1, -1, 1)
    lone = make_partition({"h": 2}, {}, signs={"h": {1: -1}}, zero={"h": [0]})["h"]
    assert lone == AxisPartition(2, ((1,),), zero=(0,))


def test_units_left_out_are_singletons():
    partition = make_partition({"x": 1, "h": 5}, {"h": [[4, 1]]})
    assert partition["h"].blocks == ((0,), (2,), (3,), (4, 1))
    assert partition["x"].blocks == ((0,),)


def test_numpy_integers_are_units():
    units: Any = np.array([0, 2])
    partition = make_partition({"h": 3}, {"h": [units]})["h"]
    assert partition.blocks == ((0, 2), (1,))
    assert all(type(u) is int for block in partition.blocks for u in block)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"k": [[0]]}, "unknown axis 'k'; the axes are x, h"),
        ({"h": [[0, 1], [1]]}, "axis 'h': "),
        ({"h": [[0, 7]]}, "axis 'h': blocks[0]=(0, 7): unit 7 is not in 0..2"),
        ({"h": [[]]}, "axis 'h': blocks[0] is empty"),
        ({"h": [[0, 1.5]]}, "axis 'h': blocks[0]=[0, 1.5]: a block is a sequence of integers"),
        ({"h": [0, 1]}, "axis 'h': blocks[0]=0: a block is a sequence of integers"),
        ({"h": [["0", 1]]}, "axis 'h': blocks[0]=['0', 1]: a block is a sequence of integers"),
    ],
)
def test_the_axis_is_named(blocks, message):
    with pytest.raises(PartitionError, match=re.escape(message)):
        make_partition({"x": 2, "h": 3}, blocks)


@pytest.mark.parametrize(
    ("signs", "zero", "message"),
    [
        ({"k": {0: -1}}, {}, "unknown axis 'k'"),
        ({}, {"k": [0]}, "unknown axis 'k'"),
        ({"h": {3: -1}}, {}, "axis 'h': signs[3]=-1: a sign is +1 or -1, of a unit in 0..2"),
        ({"h": {0: 2}}, {}, "axis 'h': signs[0]=2: a sign is +1 or -1"),
        ({}, {"h": [0.5]}, "axis 'h': zero=[0.5]: a block is a sequence of integers"),
        ({}, {"h": [0]}, "axis 'h': zero=(0,): unit 0 is in blocks[0] too"),
    ],
)
def test_the_axis_of_a_sign_or_zero_unit_is_named(signs, zero, message):
    with pytest.raises(PartitionError, match=re.escape(message)):
        make_partition({"h": 3}, {"h": [[0, 1]]}, signs=signs, zero=zero)


@pytest.mark.parametrize("text", ["h=--1,0", "h=0,-", "h=-", "h", "h=+1"])
def test_mirrored_blocks_in_another_form_are_refused(text):
    with pytest.raises(PartitionError, match=re.escape(repr(text))):
        parse_mirrored_blocks(text)


@given(st.text(max_size=12))
def test_parsing_gives_blocks_or_says_how_they_are_written(text):
    with suppress(PartitionError):
        axis, blocks = parse_blocks(text)
        assert axis
        assert all(isinstance(u, int) for block in blocks for u in block)


@pytest.mark.parametrize("text", ["h", "=0,1", "h=", "h=0,,1", "h=0/", "h=a,b", "h=-1,2", "h=²,1"])
def test_other_texts_are_refused(text):
    with pytest.raises(PartitionError, match=re.escape(repr(text))):
        parse_blocks(text)


def test_a_repr_shows_what_was_given():
    plain = AxisPartition(2, ((0, 1),))
    rich = AxisPartition(3, ((0, 1),), (1, -1, 1), (2,))
    assert repr(plain) == "AxisPartition(size=2, blocks=((0, 1),))"
    assert pretty(plain) == repr(plain)  # Hypothesis prints failing examples with it
    assert eval(repr(rich)) == rich
    assert "signs=(1, -1, 1), zero=(2,)" in repr(rich)
