"""P5 and P2 on a trained network and real data: scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.exact import prove_invariance
from numerics.losses import CROSS_ENTROPY
from numerics.parity import prove_parity
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.tasks import Task, digits
from numerics.train import Sgd, Weights, accuracy, initial_parameters
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted
from proofs_check.findings import from_exact, from_identity
from theory.architecture import Architecture
from theory.manifold import ClonedManifold, ambient, block_constant, equitable, leaf, trap
from theory.partition import AxisPartition, make_partition
from theory.widening import widen
from theory.zoo import mlp

WIDTH = 32
FACTORS = (2, 3)  # clones of each hidden unit
RATE, BATCH = 0.5, 32
STEPS = 1000
DEAD = 4  # units of the first layer that are killed
# Half of the digits of a double: rounding stays far below, a wrong statement far above.
HALF_DIGITS = sqrt(np.finfo(np.float64).eps)


def _sgd(network: Architecture) -> Sgd:
    return Sgd(network, CROSS_ENTROPY, RATE, BATCH)


@lru_cache(maxsize=2)
def _trained(phi: str, seed: int) -> tuple[Architecture, Task, Weights]:
    """An MLP 64-32-32-10 after 1,000 steps of SGD on the digits."""
    task, network = digits(), mlp([64, WIDTH, WIDTH, 10], phi)
    start = initial_parameters(network, seed)
    return network, task, _sgd(network).run(start, task, STEPS, seed)


def _wide(factor: int) -> tuple[Architecture, dict[str, AxisPartition]]:
    width = WIDTH * factor
    network = mlp([64, width, width, 10], "tanh")
    blocks = [list(range(start, start + factor)) for start in range(0, width, factor)]
    return network, make_partition(network.sizes, {"h1": blocks, "h2": blocks})


def _starts(settings: Settings, factor: int) -> Iterator[tuple[str, Weights]]:
    """The trained network widened onto BC, and onto a leaf with unequal weights."""
    _, _, base = _trained("tanh", settings.seed)
    network, partition = _wide(factor)
    constant = widen(network, partition, base)
    yield f"x{factor} BC", constant
    rng = np.random.default_rng(settings.sub_seed("digits", "offset", factor))
    manifold = equitable(network, partition)
    scale = 0.5 / WIDTH**0.5
    coordinates = {
        name: scale * rng.normal(size=shape) * ("Z" in name.partition(":")[2])
        for name, shape in manifold.free_shapes.items()
    }
    offset = manifold.embed(coordinates)
    yield f"x{factor} leaf", {p: constant[p] + offset[p] for p in constant}


def _outputs(network: Architecture, weights: Weights, task: Task) -> Array:
    return Evaluator(network.graph(len(task.x)), Float64())({**weights, "x": task.x})["y"]


def _norm(values: dict[str, Array]) -> float:
    return sqrt(sum(float(np.sum(v * v)) for v in values.values()))


def exact_proofs(settings: Settings) -> Evidence:
    """For all data and losses: every leaf is invariant, and parity with the base network."""
    base, _, _ = _trained("tanh", settings.seed)
    found = []
    for factor in FACTORS:
        network, partition = _wide(factor)
        flat, constant = equitable(network, partition), block_constant(network, partition)
        result = prove_invariance(network, flat, tangent=constant, bits=63, seed=settings.seed)
        found.append(from_exact(result, network.name))
        parity = prove_parity(base, network, partition, bits=63, seed=settings.seed)
        found.append(
            from_identity(
                parity, network.name, "outputs equal, gradients the base's divided by n_j"
            )
        )
    return conjoin(found)


def parity_on_data(settings: Settings) -> Evidence:
    """Outputs of the widened networks on all 1,797 digits against the base network's."""
    base, task, weights = _trained("tanh", settings.seed)
    reference = _outputs(base, weights, task)
    figures: dict[str, float] = {
        "base: accuracy on the training images": float(accuracy(base, weights, task))
    }
    for factor in FACTORS:
        network, _ = _wide(factor)
        for name, start in _starts(settings, factor):
            gap = np.abs(_outputs(network, start, task) - reference).max() / np.abs(reference).max()
            figures[f"{name}: largest relative difference"] = float(gap)
            if gap > HALF_DIGITS:
                return refuted("digits", f"{name}: outputs differ by {gap:.1e}", figures=figures)
    return holds(
        Level.OBSERVED,
        "MLP 64-32-32-10 tanh trained on the digits, widened x2 and x3, all 1,797 images",
        "the widened networks compute the base network in float64",
        figures=figures,
    )


def training_stays(settings: Settings) -> Evidence:
    """1,000 further steps of SGD: every mini-batch gradient is tangent, the leaf is kept."""
    _, task, _ = _trained("tanh", settings.seed)
    figures: dict[str, float] = {}
    for factor in FACTORS:
        network, partition = _wide(factor)
        for name, start in _starts(settings, factor):
            run = _Watched(network, partition, start)
            end = _sgd(network).run(start, task, STEPS, settings.seed + 1, run.watch)
            scale = _norm(end)
            figures |= {
                f"{name}: largest normal share of a gradient": run.normal_share,
                f"{name}: distance to IE∩OE / |θ|": float(run.flat.distance(end)) / scale,
                f"{name}: distance to the leaf / |θ|": float(run.leaf.distance(end)) / scale,
                f"{name}: distance moved / |θ|": _norm({p: end[p] - start[p] for p in end}) / scale,
                f"{name}: leaf offset / |θ|": float(run.constant.distance(end)) / scale,
                f"{name}: accuracy on the training images": float(accuracy(network, end, task)),
            }
            worst = max(v for k, v in figures.items() if k.startswith(name) and "distance to" in k)
            if max(worst, run.normal_share) > HALF_DIGITS:
                return refuted("digits", f"{name}: training left the leaf", figures=figures)
    return holds(
        Level.OBSERVED,
        f"{STEPS} steps of SGD, rate {RATE}, batches of {BATCH}, from BC and from a leaf",
        "every mini-batch gradient is tangent and the leaf is kept, up to rounding",
        figures=figures,
    )


class _Watched:
    """The largest share of a mini-batch gradient that is normal to the leaf."""

    def __init__(
        self, network: Architecture, partition: dict[str, AxisPartition], start: Weights
    ) -> None:
        self.flat: ClonedManifold = equitable(network, partition)
        self.leaf: ClonedManifold = leaf(network, partition, start)
        self.constant: ClonedManifold = block_constant(network, partition)
        self.normal_share = 0.0

    def watch(self, _: int, __: Weights, slopes: Weights) -> None:
        share = float(self.constant.distance(slopes)) / _norm(slopes)
        self.normal_share = max(self.normal_share, share)


def _share_at(settings: Settings, change: Any) -> Evidence:
    """The normal share of one mini-batch gradient at a changed start."""
    _, task, _ = _trained("tanh", settings.seed)
    network, partition = _wide(2)
    _, widened = next(_starts(settings, 2))
    start = change(widened)
    run = _Watched(network, partition, start)
    _sgd(network).run(start, task, 1, settings.seed, run.watch)
    if run.normal_share <= HALF_DIGITS:
        return holds(Level.OBSERVED, "digits", "the gradient is tangent")
    return refuted(
        "digits",
        f"{run.normal_share:.1e} of a mini-batch gradient is normal to the leaf",
        level=Level.OBSERVED,
        figures={"normal share": run.normal_share},
    )


def noisy_clones(settings: Settings) -> Evidence:
    """Clones that agree to three digits only."""
    rng = np.random.default_rng(settings.sub_seed("digits", "noise"))
    return _share_at(
        settings,
        lambda w: {p: v * (1 + 1e-3 * rng.normal(size=v.shape)) for p, v in w.items()},
    )


def unequal_outgoing(settings: Settings) -> Evidence:
    """IE but not OE: one clone carries the outgoing weights of both."""

    def change(weights: Weights) -> Weights:
        w3 = weights["W3"].copy()
        w3[0::2] *= 2
        w3[1::2] = 0
        return {**weights, "W3": w3}

    return _share_at(settings, change)


def _killed(settings: Settings, phi: str, margin: float) -> tuple[Architecture, Task, Weights]:
    """The trained network with the biases of four units lowered by margin · Σ|w| + margin."""
    network, task, trained = _trained(phi, settings.seed)
    weights = {p: v.copy() for p, v in trained.items()}
    reach = np.abs(weights["W1"][:, :DEAD]).sum(axis=0)
    weights["b1"][:DEAD] = -margin * (reach + 1)
    return network, task, weights


def _moved(network: Architecture, task: Task, start: Weights, seed: int) -> dict[str, float]:
    """How far the parameters in and around the killed units move in 1,000 steps."""
    end = _sgd(network).run(start, task, STEPS, seed)
    return {
        "W1 into": float(np.abs(end["W1"] - start["W1"])[:, :DEAD].max()),
        "b1": float(np.abs(end["b1"] - start["b1"])[:DEAD].max()),
        "W2 out of": float(np.abs(end["W2"] - start["W2"])[:DEAD].max()),
        "all other W1": float(np.abs(end["W1"] - start["W1"])[:, DEAD:].max()),
    }


def dead_units(settings: Settings) -> Evidence:
    """Four ReLU units of the first layer killed by b = -(Σ|w| + 1): pixels are in [0, 1]."""
    network, task, start = _killed(settings, "relu", 1.0)
    z = task.x @ start["W1"] + start["b1"]
    moved = _moved(network, task, start, settings.seed + 1)
    if (z[:, :DEAD] >= 0).any() or any(v for k, v in moved.items() if k != "all other W1"):
        return refuted("digits", f"a dead unit's parameters moved: {moved}", figures=moved)
    return holds(
        Level.OBSERVED,
        f"MLP 64-32-32-10 ReLU trained on the digits, {DEAD} units dead on all images, "
        f"{STEPS} steps of SGD",
        "incoming and outgoing parameters of dead units keep every bit",
        figures=moved,
    )


def dead_by_the_inequality(settings: Settings) -> Evidence:
    """b + Σ|w| < 0 and 0 ≤ x ≤ 1, hence z = b + Σ w x < 0: in rational numbers."""
    network, task, start = _killed(settings, "relu", 1.0)
    if task.x.min() < 0 or task.x.max() > 1:
        return refuted("digits", f"pixels from {task.x.min()} to {task.x.max()}")
    for unit in range(DEAD):
        reach = sum((abs(Fraction(float(w))) for w in start["W1"][:, unit]), Fraction(0))
        if (bound := Fraction(float(start["b1"][unit])) + reach) >= 0:
            return refuted("digits", f"unit {unit}: b + Σ|w| = {float(bound)}")
    return holds(
        Level.PROVED,
        f"{network.name}, its {DEAD} killed units, all images with pixels in [0, 1]",
        "z ≤ b + Σ|w| < 0, the second by exact sums of the trained numbers",
    )


def dead_units_exactly(settings: Settings) -> Evidence:
    """The same units frozen at 0: the trap, for all data on which they are dead."""
    network, _, _ = _trained("relu", settings.seed)
    for unit in range(DEAD):
        network = network.freeze("h1", unit)
    result = prove_invariance(network, ambient(network), tangent=trap(network), seed=settings.seed)
    return from_exact(result, f"{network.name}, {DEAD} units frozen at 0")


def _alive(settings: Settings, phi: str, margin: float) -> Evidence:
    network, task, start = _killed(settings, phi, margin)
    moved = _moved(network, task, start, settings.seed + 1)
    if not moved["W1 into"]:
        return holds(Level.OBSERVED, "digits", "incoming weights do not move")
    return refuted(
        "digits",
        f"incoming weights move by {moved['W1 into']:.1e}",
        level=Level.OBSERVED,
        figures=moved,
    )


def weak_bias(settings: Settings) -> Evidence:
    """ReLU units with biases lowered by a hundredth of that."""
    return _alive(settings, "relu", 0.01)


def tanh_is_not_dead(settings: Settings) -> Evidence:
    """Tanh units with biases lowered like the ReLU's: φ' is small, not 0."""
    return _alive(settings, "tanh", 0.25)


CLAIMS = (
    Claim(
        id="P2.digits",
        title="units killed on the digits never learn again",
        statement=(
            "In an MLP 64-32-32-10 with ReLU trained on handwritten digits, first-layer units with "
            "b < -Σ|w| are dead on all images, and SGD changes neither their incoming nor their "
            "outgoing parameters."
        ),
        hypotheses=("pixels in [0, 1]",),
        where="P2 and E2a on real data",
        expected=Verdict.PROVED,
        checks=(
            Check("the trap over prime fields", dead_units_exactly),
            Check("1,000 steps of SGD", dead_units),
            Check("b + Σ|w| < 0 in rational numbers", dead_by_the_inequality, part="dead"),
        ),
        false_variants=(
            FalseVariant("a weaker bias", "the units fire on some images", weak_bias),
            FalseVariant("tanh in place of ReLU", "tanh' never vanishes", tanh_is_not_dead),
        ),
    ),
    Claim(
        id="P5.digits",
        title="a trained network, cloned, stays on its leaf",
        statement=(
            "An MLP 64-32-32-10 with tanh trained on handwritten digits and widened x2 and x3, "
            "onto BC or onto a leaf with unequal weights, computes the same outputs, and training "
            "keeps the leaf."
        ),
        hypotheses=("full float64 training follows exact training up to rounding",),
        where="P5 and E5d on real data",
        expected=Verdict.PROVED,
        checks=(
            Check("all data and losses, over prime fields", exact_proofs),
            Check("parity on all images", parity_on_data),
            Check("1,000 steps of SGD", training_stays),
        ),
        false_variants=(
            FalseVariant("clones equal to three digits", "off the manifold", noisy_clones),
            FalseVariant("unequal outgoing weights", "IE without OE", unequal_outgoing),
        ),
    ),
)
