"""Claims about escape and attraction: their helpers, and the parts that are cheap to run."""

import numpy as np
import pytest
from scipy import stats

from numerics.losses import MSE
from numerics.spectrum import transverse_blocks
from numerics.tasks import Task
from numerics.transverse.resting_clones import resting_clones
from proofs_check.claim import Settings
from proofs_check.claims import n4c_homogeneous, n4c_stochastic, n12_prediction
from proofs_check.claims.n12_prediction import slope
from proofs_check.evidence import Level, Verdict
from theory.partition import make_partition


def test_slopes_and_their_intervals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    y = 3 * x + rng.normal(size=30)
    found, half = slope(x, y)
    expected = stats.linregress(x, y)
    assert found == pytest.approx(expected.slope)
    assert half == pytest.approx(stats.t.ppf(0.975, 28) * expected.stderr)


def test_normal_hessians_have_the_spectrum_of_the_transverse_blocks():
    blocks = {"h1": [[0, 1], [2, 3, 4]], "h2": [[0], [1, 2]]}
    clones = resting_clones([2, 2, 2, 2], blocks, "tanh", members=3, samples=16, errors=1, seed=2)
    partition = make_partition(clones.wide.sizes, blocks)
    dense = np.linalg.eigvalsh(clones.normal_hessians())
    for k in range(len(clones)):
        theta = {p: w[k] for p, w in clones.rest.items()}
        task = Task("rest", clones.x[k], clones.target[k])
        found = transverse_blocks(clones.wide, partition, theta, task, MSE)
        values = np.concatenate([np.repeat(b.eigenvalues(), b.multiplicity) for b in found])
        mixed = np.zeros(dense.shape[1] - len(values))
        assert np.allclose(np.sort(np.concatenate([values, mixed])), dense[k], atol=1e-12)


@pytest.mark.parametrize(
    "check", [n4c_stochastic.linear_law, n4c_stochastic.well_law, n4c_stochastic.steps_law]
)
def test_derivations_of_scalar_laws(check):
    found = check(Settings())
    assert found.verdict is Verdict.PROVED
    assert found.level is Level.PROVED


@pytest.mark.parametrize("seed", [1])
def test_false_variants_of_scalar_laws_are_refuted(seed):
    settings = Settings(seed=seed)
    for check in (
        n4c_stochastic.without_ito,
        n4c_stochastic.low_threshold,
        n4c_stochastic.large_steps,
    ):
        assert check(settings).verdict is Verdict.REFUTED
    assert n4c_stochastic.linear_simulated(settings).holds
    assert n4c_stochastic.well_simulated(settings).holds


def test_homogeneous_units_are_proved_with_an_error():
    found = n4c_homogeneous.homogeneous_units(Settings(seed=3))
    assert found.level is Level.PROVED_WITH_ERROR
    assert n4c_homogeneous.bounded_units(Settings(seed=3)).verdict is Verdict.REFUTED


def test_decay_is_bracketed_and_half_of_it_is_not():
    assert n12_prediction.bracket(Settings(seed=4)).holds
    assert n12_prediction.half(Settings(seed=4)).verdict is Verdict.REFUTED
