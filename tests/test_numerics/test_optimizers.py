"""Every rule against PyTorch's own optimizer where there is one, else against its formula."""

from typing import Any

import numpy as np
import pytest

from numerics.losses import CROSS_ENTROPY, MSE
from numerics.tasks import Task
from numerics.train import initial_parameters, initial_state, loss_and_gradient, train
from theory import optimizer as rules
from theory.errors import OptimizerError
from theory.optimizer import Optimizer
from theory.optimizer.matrixwise import newton_schulz
from theory.zoo import mlp

NET = mlp([3, 5, 4, 2], "tanh")
RNG = np.random.default_rng(0)
TASK = Task("random", RNG.normal(size=(12, 3)), np.eye(2)[RNG.integers(0, 2, 12)])
STEPS = 20


def torch_run(start: dict[str, Any], make: Any, before: Any) -> dict[str, Any]:
    """The same network trained by PyTorch in double precision."""
    torch = pytest.importorskip("torch")
    theta = {p: torch.tensor(w, requires_grad=True) for p, w in start.items()}
    x, target = torch.tensor(TASK.x), torch.tensor(TASK.y)
    own = make(torch, list(theta.values()))
    for _ in range(STEPS):
        own.zero_grad()
        h = x
        for k in (1, 2, 3):
            h = h @ theta[f"W{k}"] + theta[f"b{k}"]
            h = torch.tanh(h) if k < 3 else h
        (-(target * torch.log_softmax(h, dim=1)).sum(dim=1).mean()).backward()
        before(torch, list(theta.values()))
        own.step()
    return {p: w.detach().numpy() for p, w in theta.items()}


def numbers(optimizer: Optimizer) -> dict[str, float]:
    return {name: float(value) for name, value in optimizer.hyperparameters.items()}


def betas(h: dict[str, float]) -> tuple[float, float]:
    return h["beta1"], h["beta2"]


TORCH: dict[str, tuple[Optimizer, Any, Any]] = {
    "sgd": (rules.sgd(), lambda t, w, h: t.optim.SGD(w, h["rate"]), None),
    "heavy_ball": (
        rules.heavy_ball(),
        lambda t, w, h: t.optim.SGD(w, h["rate"], momentum=h["momentum"]),
        None,
    ),
    "nesterov": (
        rules.nesterov(),
        lambda t, w, h: t.optim.SGD(w, h["rate"], momentum=h["momentum"], nesterov=True),
        None,
    ),
    "sgd_l2": (
        rules.sgd_l2(),
        lambda t, w, h: t.optim.SGD(w, h["rate"], weight_decay=h["decay"]),
        None,
    ),
    "heavy_ball_l2": (
        rules.heavy_ball_l2(),
        lambda t, w, h: t.optim.SGD(w, h["rate"], momentum=h["momentum"], weight_decay=h["decay"]),
        None,
    ),
    "rmsprop": (
        rules.rmsprop(),
        lambda t, w, h: t.optim.RMSprop(w, h["rate"], alpha=h["alpha"], eps=h["eps"]),
        None,
    ),
    "adagrad": (
        rules.adagrad(),
        lambda t, w, h: t.optim.Adagrad(w, h["rate"], eps=h["eps"]),
        None,
    ),
    "adam": (
        rules.adam(),
        lambda t, w, h: t.optim.Adam(w, h["rate"], betas=betas(h), eps=h["eps"]),
        None,
    ),
    "adamw": (
        rules.adamw(),
        lambda t, w, h: t.optim.AdamW(
            w, h["rate"], betas=betas(h), eps=h["eps"], weight_decay=h["decay"]
        ),
        None,
    ),
    "adam_l2": (
        rules.adam_l2(),
        lambda t, w, h: t.optim.Adam(
            w, h["rate"], betas=betas(h), eps=h["eps"], weight_decay=h["decay"]
        ),
        None,
    ),
    "adafactor": (
        rules.adafactor(),
        lambda t, w, h: t.optim.Adafactor(
            w,
            h["rate"],
            beta2_decay=h["beta2_decay"],
            eps=(None, h["eps2"]),
            d=h["clip"],
            weight_decay=0,
        ),
        None,
    ),
    "clipped": (
        rules.clipped_sgd().with_hyperparameters(clip="0.1"),
        lambda t, w, h: t.optim.SGD(w, h["rate"]),
        lambda t, w, h: t.nn.utils.clip_grad_norm_(w, h["clip"]),
    ),
    "clipped, never": (
        rules.clipped_sgd().with_hyperparameters(clip=100),
        lambda t, w, h: t.optim.SGD(w, h["rate"]),
        lambda t, w, h: t.nn.utils.clip_grad_norm_(w, h["clip"]),
    ),
    "value clipped": (
        rules.value_clipped_sgd(),
        lambda t, w, h: t.optim.SGD(w, h["rate"]),
        lambda t, w, h: t.nn.utils.clip_grad_value_(w, h["clip"]),
    ),
}


@pytest.mark.parametrize("name", sorted(TORCH))
def test_a_rule_is_that_of_pytorch(name):
    optimizer, make, before = TORCH[name]
    h = numbers(optimizer)
    start = initial_parameters(NET, seed=1)

    def prepare(t, w):
        if before:
            before(t, w, h)

    def made(t, w):
        return make(t, w, h)

    expected = torch_run(start, made, prepare)
    found = train(NET, optimizer, CROSS_ENTROPY, start, TASK, steps=STEPS).parameters
    for p, w in found.items():
        # Biases start at 0; rounding is amplified by steps of the size of the parameters.
        assert w == pytest.approx(expected[p], rel=1e-9, abs=1e-11), p
        assert abs(w - start[p]).max() > 1e-4


def test_muon_is_that_of_pytorch_up_to_bfloat16():
    torch = pytest.importorskip("torch")
    optimizer = rules.muon()
    h = numbers(optimizer)
    start = RNG.normal(size=(4, 6))
    slopes = RNG.normal(size=(3, 4, 6))
    w = torch.tensor(start, requires_grad=True)
    own = torch.optim.Muon([w], lr=h["rate"], weight_decay=0, momentum=h["momentum"])
    theta, state = {"w": start}, initial_state(optimizer, {"w": start})
    given = iter(slopes)
    for g in slopes:
        w.grad = torch.tensor(g)
        own.step()
        theta, state = optimizer.step(theta, state, lambda _: {"w": next(given)}, h)
    moved = np.linalg.norm(theta["w"] - start)
    # bfloat16 has 8 bits; five iterations stretch its rounding by up to 3.4⁵ in small directions.
    assert np.linalg.norm(w.detach().numpy() - theta["w"]) < 0.05 * moved


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5)])
def test_newton_schulz_is_one_polynomial_of_all_singular_values(shape):
    """So it is p(GGᵀ) G, an instance of the arbitrary function that Muon's proofs take."""
    optimizer = rules.muon()
    h = numbers(optimizer)
    g = RNG.normal(size=shape)
    left, values, right = np.linalg.svd(g, full_matrices=False)
    s = values / np.linalg.norm(values)
    for _ in range(5):
        s = h["a"] * s + h["b"] * s**3 + h["c"] * s**5
    assert newton_schulz(g, h) == pytest.approx((left * s) @ right, rel=1e-9, abs=1e-9)


def one_step(optimizer: Optimizer, batch: int = 12) -> tuple[dict[str, Any], dict[str, Any], Any]:
    start = initial_parameters(NET, seed=2)
    _, g = loss_and_gradient(NET, CROSS_ENTROPY, start, TASK)
    found = train(NET, optimizer, CROSS_ENTROPY, start, TASK, steps=1, batch_size=batch)
    return start, g, found.parameters


def close(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return all(found[p] == pytest.approx(w, rel=1e-10, abs=1e-12) for p, w in expected.items())


def test_rules_without_a_model_in_pytorch_are_their_formulas():
    start, g, found = one_step(rules.sign_sgd())
    assert close(found, {p: w - 0.001 * np.sign(g[p]) for p, w in start.items()})
    _, _, found = one_step(rules.sgd_l1())
    assert close(found, {p: w - 0.02 * (g[p] + 0.01 * np.sign(w)) for p, w in start.items()})
    _, _, found = one_step(rules.lion_decay())
    assert close(found, {p: 0.9999 * w - 0.001 * np.sign(g[p]) for p, w in start.items()})
    _, _, found = one_step(rules.centralised_sgd())
    assert found["W2"].sum(axis=0) == pytest.approx(start["W2"].sum(axis=0))
    assert close({"b1": found["b1"]}, {"b1": start["b1"] - 0.02 * g["b1"]})
    _, _, found = one_step(rules.unit_clipped_sgd())
    for p in ("W1", "W2", "W3"):
        size, slope = (np.maximum(1e-3, np.linalg.norm(a[p], axis=0)) for a in (start, g))
        assert found[p] == pytest.approx(
            start[p] - 0.02 * g[p] * np.minimum(1, 0.01 * size / slope)
        )
    assert close(
        {"b1": found["b1"]}, {"b1": start["b1"] - 2e-7 * g["b1"] / np.linalg.norm(g["b1"])}
    )
    _, _, found = one_step(rules.lamb())
    for p in ("W1", "W2", "W3"):  # the biases start at 0, and stay there
        u = g[p] / (abs(g[p]) + 1e-8) + 0.01 * start[p]
        ratio = np.linalg.norm(start[p]) / np.linalg.norm(u)
        assert found[p] == pytest.approx(start[p] - 0.001 * ratio * u, rel=1e-9)
    _, _, found = one_step(rules.lars_decay())
    for p in ("W1", "W2", "W3"):
        size, slope = np.linalg.norm(start[p]), np.linalg.norm(g[p])
        local = 0.001 * size / (slope + 0.01 * size + 1e-8)
        assert found[p] == pytest.approx(start[p] - local * (g[p] + 0.01 * start[p]), rel=1e-9)


@pytest.mark.parametrize("adaptive", [False, True])
def test_sharpness_aware_steps_use_the_gradient_uphill(adaptive):
    start, g, found = one_step(rules.asam() if adaptive else rules.sam())
    size = start if adaptive else {p: np.ones_like(w) for p, w in start.items()}
    length = np.sqrt(sum(float(np.sum((size[p] * g[p]) ** 2)) for p in g))
    radius = 0.5 if adaptive else 0.05
    uphill = {p: w + radius * size[p] ** 2 * g[p] / length for p, w in start.items()}
    _, slopes = loss_and_gradient(NET, CROSS_ENTROPY, uphill, TASK)
    assert close(found, {p: w - 0.02 * slopes[p] for p, w in start.items()})


def test_shampoo_divides_by_roots_of_its_statistics():
    start, g, found = one_step(rules.shampoo())

    def root(a: Any, p: int) -> Any:
        values, vectors = np.linalg.eigh(a)
        return (vectors * values ** (-1 / p)) @ vectors.T

    for p, w in start.items():
        left = 0.01 * np.eye(len(w))
        if w.ndim == 1:
            direction = root(left + np.outer(g[p], g[p]), 2) @ g[p]
        else:
            right = 0.01 * np.eye(w.shape[1]) + g[p].T @ g[p]
            direction = root(left + g[p] @ g[p].T, 4) @ g[p] @ root(right, 4)
        assert found[p] == pytest.approx(w - 0.02 * direction, rel=1e-7, abs=1e-10)


def test_noise_is_reproducible_and_independent_in_an_ensemble():
    start = initial_parameters(NET, seed=0)
    twice = {p: np.stack([w, w]) for p, w in start.items()}
    runs = [
        train(NET, rules.noisy_sgd(), MSE, twice, TASK, steps=2, seed=seed).parameters
        for seed in (3, 3, 4)
    ]
    assert all(np.array_equal(runs[0][p], runs[1][p]) for p in start)
    assert not np.array_equal(runs[0]["W1"], runs[2]["W1"])
    assert not np.array_equal(runs[0]["W1"][0], runs[0]["W1"][1])


ALL = [
    getattr(rules, name)
    for name in (
        *("sgd", "heavy_ball", "nesterov", "sgd_l2", "heavy_ball_l2", "sgd_l1", "sign_sgd"),
        *("lion", "lion_decay", "l2_init", "rmsprop", "adagrad", "adam", "adamw", "adam_l2"),
        *("adafactor", "clipped_sgd", "value_clipped_sgd", "unit_clipped_sgd", "centralised_sgd"),
        *("lars", "lars_decay", "lamb", "muon", "shampoo", "sam", "asam"),
    )
]


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_the_traced_step_is_the_step_on_arrays_and_ensembles_are_their_members(make):
    optimizer = make()
    batch = 12
    start = initial_parameters(NET, seed=5, ensemble=(2,))
    start = {p: w + 0.1 for p, w in start.items()}
    together = train(NET, optimizer, MSE, start, TASK, steps=3, batch_size=batch)
    for k in range(2):
        theta = {p: w[k] for p, w in start.items()}
        state = initial_state(optimizer, theta)
        for step in (1, 2, 3):
            h = {name: float(v) for name, v in optimizer.scalars(step).items()}
            theta, state = optimizer.step(
                theta, state, lambda at: loss_and_gradient(NET, MSE, at, TASK)[1], h
            )
        for p, w in theta.items():
            assert together.parameters[p][k] == pytest.approx(w, rel=1e-7, abs=1e-9)
        for name, s in state.items():
            found = np.broadcast_to(together.state[name], (2, *s.shape))[k]
            assert found == pytest.approx(s, rel=1e-7, abs=1e-9)


def test_trajectories_are_recorded():
    start = initial_parameters(NET, seed=0)
    seen: list[int] = []
    run = train(
        *(NET, rules.adam(), MSE, start, TASK),
        steps=6,
        batch_size=4,
        record=2,
        watch=lambda step, _: seen.append(step),
    )
    assert seen == [1, 2, 3, 4, 5, 6]
    assert len(run.trajectory) == 4
    assert np.array_equal(run.trajectory[0]["W1"], start["W1"])
    assert np.array_equal(run.trajectory[-1]["W1"], run.parameters["W1"])
    again = train(NET, rules.adam(), MSE, start, TASK, steps=4, batch_size=4)
    assert np.array_equal(run.trajectory[2]["W1"], again.parameters["W1"])


def test_a_state_of_another_optimizer_is_refused():
    start = initial_parameters(NET, seed=0)
    state = initial_state(rules.heavy_ball(), start)
    with pytest.raises(OptimizerError, match=r"^state: 'v:W2': Adam has \['m:W1'"):
        train(NET, rules.adam(), MSE, start, TASK, steps=1, state=state | {"v:W1": start["W1"]})


def test_hyperparameters_are_finite_numbers_that_the_rule_has():
    with pytest.raises(OptimizerError, match=r"^SGD: no hyperparameter 'beta'; there are rate$"):
        rules.sgd().with_hyperparameters(beta=1)
    with pytest.raises(OptimizerError, match=r"^rate='fast': a hyperparameter is a finite number"):
        rules.sgd().with_hyperparameters(rate="fast")
    with pytest.raises(OptimizerError, match=r"^step=0: steps count from 1$"):
        rules.adam().scalars(0)
