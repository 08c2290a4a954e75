from collections import Counter
from random import Random

from proofs_check.drawing.random_networks import SYMBOLS, random_dag, random_tying
from theory.block_pair import block_pairs


def test_a_seed_determines_the_network():
    for seed in range(20):
        one, other = Random(seed), Random(seed)
        assert random_dag(one) == random_dag(other)
        assert one.random() == other.random()


def test_every_feature_occurs():
    """Each in at least one network of twenty."""
    count: Counter[str] = Counter()
    number = 400
    for seed in range(number):
        dag, partition = random_dag(Random(seed))
        pairs = block_pairs(dag, partition).values()
        features = {
            "several outputs": len(dag.outputs) > 1,
            "biases": bool(dag.biased),
            "edges inside a block": any(p.source == p.target for p in pairs),
            "an irregular pair": any(not p.is_biregular for p in pairs),
            "a biregular pair": any(p.is_biregular and not p.is_complete for p in pairs),
            "only biregular pairs": all(p.is_biregular for p in pairs),
            "blocks of two and of three": {2, 3} <= {len(b) for b in partition.blocks},
            "a block in several pieces": any(max(b) - min(b) >= len(b) for b in partition.blocks),
            "an output that feeds another unit": any(u in dag.outputs for u, _ in dag.edges),
            "a dead end": any(
                u not in dag.outputs and all(u != source for source, _ in dag.edges)
                for u in range(dag.num_units)
            ),
            "two activations": len(set(dag.activations)) > 2,
            "a skip connection": any(
                (u, v) in dag.edges and (v, t) in dag.edges
                for u, t in dag.edges
                for v in range(u + 1, t)
            ),
        }
        count.update(name for name, occurs in features.items() if occurs)
        assert dag.num_units <= 4 + 4 * 3
        assert set(dag.activations) <= set(SYMBOLS)
    assert len(count) == len(features)
    assert min(count.values()) >= number // 20, count


def test_ties_are_of_several_kinds():
    shares = []
    for seed in range(200):
        rng = Random(seed)
        dag, partition = random_dag(rng)
        tying = random_tying(rng, dag, partition)
        shares.append(tying.num_families / len(tying.families))
    assert min(shares) < 0.3
    assert max(shares) == 1
