"""Draw docs/traps.png: two sets of parameters that gradient descent does not leave.

Run ``python docs/traps.py`` from the top of the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from numerics.losses import MSE
from numerics.tasks import Task
from numerics.train import loss_and_gradient, train
from theory.optimizer import sgd
from theory.zoo import mlp

FILE = Path(__file__).with_name("traps.png")
VERMILLION, BLACK, GREY = "#D55E00", "#111111", "#666666"


def clones(axes: Axes) -> None:
    """Two tanh units in the plane of their incoming weights, outgoing weights 1 in the picture."""
    net = mlp([1, 2, 1], "tanh", bias=False)
    x = np.linspace(-3, 3, 25)[:, None]
    task = Task("two slopes", x, np.tanh(0.4 * x) + np.tanh(3 * x))

    def at(w: Any) -> dict[str, Any]:
        return {"W1": w[..., None, :], "W2": np.ones((*w.shape, 1))}

    side = np.linspace(-0.5, 4.5, 61)
    plane = np.stack(np.meshgrid(side, side), axis=-1)
    loss, gradient = loss_and_gradient(net, MSE, at(plane), task)
    axes.contourf(side, side, np.log(loss + 2e-3), 24, cmap="Blues_r", alpha=0.8)
    points, arrows = plane[::5, ::5], -gradient["W1"][::5, ::5, 0]
    arrows = arrows / np.linalg.norm(arrows, axis=-1, keepdims=True) ** 0.7
    axes.quiver(*points.transpose(2, 0, 1), *arrows.transpose(2, 0, 1), color=GREY, width=0.003)
    starts = np.array([[-0.4, -0.4], [4.4, 4.4], [0.6, 0.5], [2.9, 3.6]])
    descent = sgd().with_hyperparameters(rate="0.5")
    path = train(net, descent, MSE, at(starts), task, steps=6000, record=10).trajectory
    way = np.stack([point["W1"][:, 0] for point in path])
    for k, start in enumerate(starts):
        tint = VERMILLION if start[0] == start[1] else BLACK
        axes.plot(*way[:, k].T, color=tint, linewidth=2)
        axes.plot(*start, "o", color=tint, markersize=5)
    axes.text(2.9, 3.1, "clones", color=VERMILLION, rotation=45)
    axes.set(xlim=(-0.5, 4.5), ylim=(-0.5, 4.5), xlabel="$w_1$", ylabel="$w_2$")
    axes.set_title("two units that are equal stay equal")


def frozen(axes: Axes) -> None:
    """A ReLU unit, its weight and bias, on inputs between -1 and 1."""
    net = mlp([1, 1, 1], "relu")
    x = np.linspace(-1, 1, 21)[:, None]
    starts = np.random.default_rng(0).uniform(-2, 2, size=(70, 2))
    theta = {
        "W1": starts[:, :1, None],
        "b1": starts[:, 1:],
        "W2": np.ones((70, 1, 1)),
        "b2": np.zeros((70, 1)),
    }
    descent = sgd().with_hyperparameters(rate="0.9")
    task = Task("a line", x, 1.5 * x - 1)
    path = train(net, descent, MSE, theta, task, steps=60, record=1).trajectory
    way = np.stack([np.stack([p["W1"][:, 0, 0], p["b1"][:, 0]], axis=-1) for p in path])
    dead = way[-1, :, 1] <= -np.abs(way[-1, :, 0])
    side = np.array([-3.0, 0.0, 3.0])
    axes.fill_between(side, -np.abs(side), -4, color=VERMILLION, alpha=0.15)
    axes.text(0, -3.6, "0 on all inputs", color=VERMILLION, ha="center")
    for k in range(len(starts)):
        axes.plot(*way[:, k].T, color=VERMILLION if dead[k] else BLACK, linewidth=0.8)
    axes.set(xlim=(-3, 3), ylim=(-4, 2.5), xlabel="$w$", ylabel="$b$")
    axes.set_title("a unit that is never active stays so")


def main() -> None:
    """Write the picture."""
    figure = Figure(figsize=(10, 4.4), dpi=110, layout="constrained")
    for draw, axes in zip((clones, frozen), figure.subplots(1, 2), strict=True):
        draw(axes)
    figure.savefig(FILE, metadata={"Software": None})


if __name__ == "__main__":
    main()
