"""Random manifolds of every kind."""

from fractions import Fraction
from random import Random

from hypothesis import strategies as st

from proofs_check.drawing.networks import draw_rationals
from proofs_check.drawing.random_networks import random_dag
from proofs_check.strategies import architectures, partitions, points
from theory import manifold as tensors
from theory.manifold import AffineManifold, Constraint, ambient, intersect, units
from theory.zoo import mlp


@st.composite
def cloned(draw):
    net = draw(architectures(max_depth=2, max_width=4))
    partition = draw(partitions(net))
    kind = draw(
        st.sampled_from(
            ["incoming_equitable", "outgoing_equitable", "equitable", "block_constant", "leaf"]
        )
    )
    if kind == "leaf":
        return tensors.leaf(net, partition, draw(points(tensors.equitable(net, partition))))
    return getattr(tensors, kind)(net, partition)


@st.composite
def of_units(draw):
    rng = Random(draw(st.integers(0, 10**6)))
    dag, partition = random_dag(rng)
    kinds = ["incoming_equitable", "outgoing_equitable", "equitable", "block_constant"]
    kind = draw(st.sampled_from([*kinds, "row_equitable_as_printed", "leaf"]))
    if kind == "leaf":
        return units.leaf(dag, partition, draw(points(units.equitable(dag, partition))))
    return getattr(units, kind)(dag, partition)


@st.composite
def frozen(draw):
    widths = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(3, 4)))]
    net = mlp(widths, bias=draw(st.booleans()))
    for layer in range(1, len(widths) - 1):
        for unit in range(widths[layer]):
            if (layer, unit) == (1, 0) or draw(st.booleans()):
                net = net.freeze(f"h{layer}", unit, draw(st.sampled_from([0, 1, -2, "1/3"])))
    values = {("W1", 0): Fraction(draw(st.integers(-2, 2)), 3)}
    return draw(st.sampled_from([tensors.frozen, tensors.trap]))(net, values)


@st.composite
def of_rows(draw):
    """Any rows that one integer point satisfies, dependent ones and empty ones among them."""
    shapes = {"A": (2, 2), "s": (), "v": (3,)}
    point = {
        (p, k): draw(st.integers(-2, 2))
        for p, n in (("A", 4), ("s", 1), ("v", 3))
        for k in range(n)
    }
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        chosen = draw(st.lists(st.sampled_from(sorted(point)), unique=True, max_size=4))
        coefficients = st.fractions(-2, 2, max_denominator=3)
        terms = {e: draw(coefficients) for e in chosen}
        value = sum((c * point[e] for e, c in terms.items()), Fraction(0))
        rows.append(Constraint(terms, value, "drawn"))
    return AffineManifold("rows", shapes, tuple(rows))


@st.composite
def intersections(draw):
    net = draw(architectures(max_depth=2, max_width=3))
    one, other = (tensors.equitable(net, draw(partitions(net))) for _ in range(2))
    return draw(st.sampled_from([ambient(net), intersect(one, other)]))


manifolds = st.one_of(cloned(), of_units(), frozen(), of_rows(), intersections())


@st.composite
def with_points(draw, count=2, strategy=manifolds):
    """A manifold and points of the ambient space."""
    manifold = draw(strategy)
    rng = Random(draw(st.integers(0, 10**6)))
    return manifold, [draw_rationals(rng.randint, manifold.shapes) for _ in range(count)]
