r"""What the quotient of an optimizer is: the same rule with block hyperparameters (N11).

On IE∩OE the base network's gradient is n_j times the cloned one's, and a common increment of the
weights between two blocks changes the base weight by s = |E_ij| / n_j times as much (n_i for
complete pairs). So a hyperparameter of the cloned network's rule becomes, for each pair of blocks,
``s^a n_j^b`` times itself in the base network's rule:

    rule                                   rate      epsilon   decay λ    θ may lie on   state on
    GD, SGD, momentum, Nesterov, with L2   s / n_j             n_j / s    IE∩OE          IE∩OE
    RMSProp, Adagrad, Adam                 s         n_j                  IE∩OE          BC
    AdamW                                  s         n_j       1 / s      IE∩OE          BC
    sign-SGD, Lion                         s                   1 / s      IE∩OE          BC
    RMSProp, Adam with coupled L2          s         n_j       n_j / s    BC             BC

In every row rate times decay of what is subtracted from the weights stays what it was. States are
those of the base network in units of its gradients: n_jᵏ times the clones', k their degree.
Adam with coupled L2 has no quotient off BC: two points of IE∩OE over one base point move apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.activation import step
from theory.exact_arrays import Array
from theory.quotient import Quotient

Hyperparameters = Mapping[str, Any]
States = tuple[Any, ...]
Update = Callable[[Any, States, Any, Hyperparameters], tuple[Any, States]]
Laws = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class QuotientRule:
    """An entrywise update with the hyperparameters of its quotient.

    Attributes:
        name: of the optimizer.
        update: ``(θ, states, gradient, hyperparameters)`` to ``(θ', states')``; ordinary NumPy.
        hyperparameters: their names.
        laws: exponents (a, b) of s and n_j, for the hyperparameters that are others in the base.
        degrees: of each state as a function of the gradients.
        is_linear: in θ, states and gradients; then states may lie anywhere on IE∩OE, otherwise on
            BC.
        keeps_leaves: whether θ may lie anywhere on IE∩OE, otherwise on BC.
    """

    name: str
    update: Update
    hyperparameters: tuple[str, ...]
    laws: Laws
    degrees: tuple[int, ...] = ()
    is_linear: bool = False
    keeps_leaves: bool = True

    def factors(self, quotient: Quotient, p: str) -> dict[str, Array]:
        """The exact factors of the hyperparameters for each entry of a base parameter.

        >>> from theory.partition import make_partition
        >>> from theory.quotient import quotient
        >>> from theory.zoo import mlp
        >>> wide = mlp([1, 2, 6, 1])
        >>> blocks = {"h1": [[0, 1]], "h2": [[0, 1, 2], [3, 4, 5]]}
        >>> found = quotient(wide, make_partition(wide.sizes, blocks))
        >>> {name: str(f[0, 0]) for name, f in ADAM.factors(found, "W2").items()}
        {'rate': '2', 'epsilon': '3'}
        """
        sources, targets = quotient.sources[p], quotient.targets[p]
        return {name: sources**a * targets**b for name, (a, b) in self.laws.items()}


def _sgd(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    return w - h["rate"] * (g + h["decay"] * w), ()


def _momentum(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    m = h["momentum"] * states[0] + g + h["decay"] * w
    return w - h["rate"] * m, (m,)


def _nesterov(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    slope = g + h["decay"] * w
    m = h["momentum"] * states[0] + slope
    return w - h["rate"] * (slope + h["momentum"] * m), (m,)


def _adagrad(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    v = states[0] + g * g
    return w - h["rate"] * g / (np.sqrt(v) + h["epsilon"]), (v,)


def _rmsprop(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    v = h["beta2"] * states[0] + (1 - h["beta2"]) * (g * g)
    return w - h["rate"] * g / (np.sqrt(v) + h["epsilon"]), (v,)


def _adam(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    """With ``correction1`` 1 - β₁ᵗ and ``correction2`` √(1 - β₂ᵗ), or 1 without bias correction."""
    m = h["beta1"] * states[0] + (1 - h["beta1"]) * g
    v = h["beta2"] * states[1] + (1 - h["beta2"]) * (g * g)
    spread = np.sqrt(v) / h["correction2"] + h["epsilon"]
    return w - h["rate"] * (m / h["correction1"]) / spread, (m, v)


def _adamw(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    return _adam(w - h["rate"] * h["decay"] * w, states, g, h)


def _adam_l2(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    return _adam(w, states, g + h["decay"] * w, h)


def _sign(values: Any) -> Any:
    return step(values) - step(-values)


def _sign_sgd(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    return w - h["rate"] * (_sign(g) + h["decay"] * w), ()


def _lion(w: Any, states: States, g: Any, h: Hyperparameters) -> tuple[Any, States]:
    mixed = h["beta1"] * states[0] + (1 - h["beta1"]) * g
    m = h["beta2"] * states[0] + (1 - h["beta2"]) * g
    return w - h["rate"] * (_sign(mixed) + h["decay"] * w), (m,)


_LINEAR = {"rate": (1, -1), "decay": (-1, 1)}
_NORMALISED = {"rate": (1, 0), "epsilon": (0, 1)}
_BETAS = ("beta1", "beta2", "correction1", "correction2")

SGD = QuotientRule("SGD", _sgd, ("rate", "decay"), _LINEAR, is_linear=True)
MOMENTUM = QuotientRule(
    "momentum", _momentum, ("rate", "decay", "momentum"), _LINEAR, (1,), is_linear=True
)
NESTEROV = QuotientRule(
    "Nesterov", _nesterov, ("rate", "decay", "momentum"), _LINEAR, (1,), is_linear=True
)
ADAGRAD = QuotientRule("Adagrad", _adagrad, ("rate", "epsilon"), _NORMALISED, (2,))
RMSPROP = QuotientRule("RMSProp", _rmsprop, ("rate", "epsilon", "beta2"), _NORMALISED, (2,))
ADAM = QuotientRule("Adam", _adam, ("rate", "epsilon", *_BETAS), _NORMALISED, (1, 2))
ADAMW = QuotientRule(
    "AdamW",
    _adamw,
    ("rate", "epsilon", "decay", *_BETAS),
    {**_NORMALISED, "decay": (-1, 0)},
    (1, 2),
)
ADAM_L2 = QuotientRule(
    "Adam with coupled L2",
    _adam_l2,
    ("rate", "epsilon", "decay", *_BETAS),
    {**_NORMALISED, "decay": (-1, 1)},
    (1, 2),
    keeps_leaves=False,
)
SIGN_SGD = QuotientRule(
    "sign-SGD", _sign_sgd, ("rate", "decay"), {"rate": (1, 0), "decay": (-1, 0)}
)
LION = QuotientRule(
    "Lion",
    _lion,
    ("rate", "decay", "beta1", "beta2"),
    {"rate": (1, 0), "decay": (-1, 0)},
    (1,),
)
RULES = (SGD, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM, ADAMW, ADAM_L2, SIGN_SGD, LION)
