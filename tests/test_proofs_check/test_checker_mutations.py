"""Every change of a certificate is seen: it is rejected, or what it claims is true as well."""

import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from proofs_check import checker
from tests.test_proofs_check.certified import (
    certified,
    cloned,
    copied,
    is_accepted,
    normal_speed,
    pairs,
    sealed,
    signed,
)
from theory.manifold import ambient, trap
from theory.zoo import cnn, decoder, mlp

CLAIM = ("graph", "points", "tangent", "batch")
WORDS = ("", "0", "2", "-1", "1/2", "h1", "odd", "bi,ij->jb", "Add", "Hold", "W1")


@pytest.fixture(scope="module")
def honest() -> list[str]:
    """Small networks with and without held units, a transformer, a convolution."""
    dead = mlp([1, 2, 1]).freeze("h1", 0, 2)
    transformer = decoder(2, 2, 1, 2, 1, 2, phi="phi")
    return [
        cloned(mlp([2, 3, 1]), {"h1": [[0, 1]]}),
        cloned(mlp([2, 2, 2, 1], "tanh"), {"h1": [[0, 1]], "h2": [[0, 1]]}),
        certified(dead, ambient(dead), trap(dead)),
        cloned(transformer, pairs(transformer, "m")),
        cloned(cnn((2, 2), (1, 2), 1), {"c1": [[0, 1]]}),
    ]


def places(value: Any, path: tuple = ()) -> Any:
    """Paths to all values inside JSON data."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in inner:
        if isinstance(entry, dict | list):
            yield from places(entry, (*path, key))
        else:
            yield (*path, key)


def mutate(data: Any, random: Random) -> None:
    """Change one value somewhere, swap two list entries, or drop or double a value."""
    part = random.choice([key for key in data if key != "digests"])
    inner = places(data[part]) if isinstance(data[part], dict | list) else ()
    *path, last = random.choice([(part,), *((part, *rest) for rest in inner)])
    holder = data
    for key in path:
        holder = holder[key]
    value = holder[last]
    kind = random.randrange(3)
    if isinstance(value, list) and len(value) > 1 and kind == 0:
        i, k = random.sample(range(len(value)), 2)
        value[i], value[k] = value[k], value[i]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(last, copied(value))
    elif kind == 1:
        holder[f"{last}x"] = holder.pop(last)
    elif isinstance(value, list | dict) or value is None:
        del holder[last]
    elif isinstance(value, int):
        holder[last] = value + random.choice([-1, 1, 5])
    else:
        holder[last] = random.choice([*WORDS, f"{value}x"])


@pytest.mark.parametrize("case", range(5), ids=["mlp", "deep", "held", "transformer", "channels"])
def test_mutations_are_rejected_or_true(honest, case):
    text, random, counts = honest[case], Random(case), Counter[str]()
    before = json.loads(text)
    for _ in range(106):
        data = copied(before)
        mutate(data, random)
        if data == before:
            continue
        assert not is_accepted(checker.canonical(data) + "\n")
        counts["stale"] += 1
        try:
            changed = sealed(data)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError):
            changed = signed(data)
        if not is_accepted(changed):
            counts["rejected"] += 1
        elif all(data[key] == before[key] for key in CLAIM):
            assert data["bits"] <= checker.check(changed)["bits"]
            counts["same claim"] += 1
        else:
            assert normal_speed(data) < 1e-9, data
            counts["another true claim"] += 1
    assert counts["stale"] >= 100
    assert counts["rejected"] >= 60


def test_bytes(honest):
    random = Random(1)
    text = honest[0]
    for _ in range(300):
        k = random.randrange(len(text))
        new = random.choice(["", " ", "1", '"', "{", "x"])
        other = text[:k] + new + text[k + random.randrange(2) :]
        assert other == text or not is_accepted(other)


def rejection(text: str) -> str:
    with pytest.raises(checker.RejectedError) as caught:
        checker.check(text)
    return str(caught.value)


def test_assumptions_and_keys_are_not_dropped(honest):
    data = json.loads(honest[2])
    data["assumptions"] = [a for a in data["assumptions"] if "on the data" not in a]
    assert "assumptions" in rejection(signed(data))
    assert "canonical" in rejection(honest[0].replace('{"assump', '{"batch":1,"assump', 1))
    assert "canonical" in rejection(json.dumps(json.loads(honest[0])))


def test_what_is_derived_again(honest):
    for change, reason in (
        (("points", "dimension"), "dimensions"),
        (("tangent", "dimension"), "dimensions"),
        (("num_parameters",), "parameters"),
        (("prover", "seed"), "primes"),
        (("batch",), "batch"),
    ):
        data = json.loads(honest[0])
        *path, last = change
        holder = data
        for key in path:
            holder = holder[key]
        holder[last] += 7
        assert reason in rejection(sealed(data))


def test_a_dependent_normal_is_refused(honest):
    data = json.loads(honest[0])
    normals = data["tangent"]["normals"]
    normals.append(copied(normals[0]))
    data["tangent"]["dimension"] -= 1
    assert "entry of its own" in rejection(sealed(data))
    data["tangent"] = {"dimension": data["num_parameters"], "normals": []}
    assert "everything" in rejection(sealed(data))


def test_what_would_take_too_long_is_refused(honest):
    huge = {"primitive": "Constant", "operands": [], "shape": [1 << 40], "runs": [[1 << 40, "1"]]}
    data = json.loads(honest[0])
    data["graph"]["nodes"].append(huge)
    assert "too large" in rejection(sealed(data))
    huge["shape"], huge["runs"] = [1 << 21], [[1 << 21, "1"]]
    k = len(data["graph"]["nodes"]) - 1
    outer = {"primitive": "Einsum", "operands": [k, k], "subscripts": "a,b->ab"}
    data["graph"]["nodes"].append(outer)
    assert "too large" in rejection(sealed(data))
