"""Random unit-level networks with partitions, for campaigns over many of them.

Every network is determined by the state of the given :class:`random.Random`. The distribution is
meant to reach every case of the cloning theorem on networks with absent edges: complete, biregular
and irregular pairs, edges inside a block, skip connections, dead ends, several outputs.
"""

from __future__ import annotations

from math import gcd, lcm
from random import Random

from theory.activation import Activation, tanh
from theory.block_pair import block_pairs
from theory.dag import Dag
from theory.partition import AxisPartition
from theory.tying import Tying

SYMBOLS: tuple[Activation | None, ...] = (
    None,
    tanh,
    Activation("phi"),
    Activation("psi"),
    Activation("odd", parity="odd"),
    Activation("even", parity="even"),
)


def random_dag(
    rng: Random,
    *,
    max_blocks: int = 4,
    max_block: int = 3,
    symbols: tuple[Activation | None, ...] = SYMBOLS,
) -> tuple[Dag, AxisPartition]:
    """A network of at most ``4 + max_blocks * max_block`` units, and a partition that suits it.

    Args:
        rng: where the choices come from.
        max_blocks: greatest number of hidden blocks, at least one is drawn.
        max_block: greatest number of units of a block.
        symbols: the activations to choose from; ``None`` is the identity.

    >>> dag, partition = random_dag(Random(0))
    >>> dag == random_dag(Random(0))[0], partition.size == dag.num_units
    (True, True)
    """
    num_inputs, num_outputs = rng.randint(1, 2), rng.randint(1, 2)
    hidden = [rng.randint(1, max_block) for _ in range(rng.randint(1, max_blocks))]
    sizes = [1] * num_inputs + hidden + [1] * num_outputs
    blocks = _placed(rng, sizes, num_inputs, num_outputs)
    outputs = [block[0] for block in blocks[len(sizes) - num_outputs :]]
    activations: list[Activation | None] = [None] * sum(sizes)
    biased: set[int] = set()
    for block in blocks[num_inputs:]:
        symbol, has_bias = rng.choice(symbols), rng.random() < 0.4
        for unit in block:
            activations[unit] = symbol
            if has_bias:
                biased.add(unit)
    is_regular = rng.random() < 0.4
    edges: set[tuple[int, int]] = set()
    for sources in blocks:
        for targets in blocks[num_inputs:]:
            edges |= _pair_edges(rng, sources, targets, is_regular)
    for unit in outputs:
        if unit not in biased and not any(v == unit for _, v in edges):
            edges.add((rng.randrange(num_inputs), unit))
    dag = Dag(
        num_units=sum(sizes),
        inputs=tuple(range(num_inputs)),
        outputs=tuple(outputs),
        edges=tuple(sorted(edges)),
        activations=tuple(activations),
        biased=tuple(sorted(biased)),
    )
    return dag, dag.partition(blocks)


def _placed(
    rng: Random, sizes: list[int], num_inputs: int, num_outputs: int
) -> list[tuple[int, ...]]:
    """Units for blocks of the given sizes: inputs first, blocks in a row or interleaved."""
    owners = [k for k, n in enumerate(sizes) for _ in range(n)]
    movable = owners[num_inputs : len(owners) - num_outputs]
    last = owners[len(owners) - num_outputs :]
    if rng.random() < 0.2:
        movable, last = movable + last, []
    if rng.random() < 0.4:
        rng.shuffle(movable)
    order = [*owners[:num_inputs], *movable, *last]
    return [tuple(u for u, k in enumerate(order) if k == block) for block in range(len(sizes))]


def _pair_edges(
    rng: Random, sources: tuple[int, ...], targets: tuple[int, ...], is_regular: bool
) -> set[tuple[int, int]]:
    """None, all, a biregular part, or any part of the edges from one block to another."""
    choice = rng.random()
    if choice < 0.35:
        return set()
    if choice < 0.6 or (is_regular and choice < 0.8):
        chosen = {(u, v) for u in sources for v in targets}
    elif choice < 0.8 or is_regular:
        m, n = len(sources), len(targets)
        width = rng.randint(1, gcd(m, n))
        chosen = {
            (sources[k % m], targets[(k + shift) % n])
            for k in range(lcm(m, n))
            for shift in range(width)
        }
    else:
        chosen = {(u, v) for u in sources for v in targets if rng.random() < 0.6}
    return {(u, v) for u, v in chosen if u < v}


def random_tying(rng: Random, dag: Dag, partition: AxisPartition) -> Tying:
    """A network that shares parameters: at random, along diagonals of pairs, or between pairs.

    >>> dag, partition = random_dag(Random(3))
    >>> random_tying(Random(0), dag, partition).num_families <= dag.num_edges + len(dag.biased)
    True
    """
    choice = rng.random()
    num_groups = rng.randint(1, 4)
    group: dict[tuple[int, int], int] = {}
    label: dict[tuple[str, int], object] = {}
    for key, pair in block_pairs(dag, partition).items():
        group[key] = rng.randrange(num_groups)
        period = max(len(pair.sources), len(pair.targets))
        for (u, v), entry in pair.edges.items():
            diagonal = (pair.targets.index(v) - pair.sources.index(u)) % period
            if choice < 0.3:
                label[entry] = (key, diagonal)
            elif choice < 0.6:
                label[entry] = (group[key], diagonal)
            elif choice < 0.75:
                label[entry] = group[key]
            elif rng.random() < 0.5:
                label[entry] = rng.randrange(4)
            else:
                label[entry] = entry
    numbers: dict[object, int] = {}
    entries = [("w", k) for k in range(dag.num_edges)] + [("b", k) for k in range(len(dag.biased))]
    families = tuple(numbers.setdefault(label[entry], len(numbers)) for entry in entries)
    return Tying(dag, families)
