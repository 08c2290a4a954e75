r"""What the quotient of an optimizer is: the same rule with block hyperparameters (N11).

On IE∩OE the base network's gradient is n_j times the cloned one's, and a common increment of the
weights between two blocks changes the base weight by s = |E_ij| / n_j times as much (n_i for
complete pairs). So a hyperparameter of the cloned network's rule becomes, for each pair of blocks,
``s^a n_j^b`` times itself in the base network's rule:

    rule                                   rate      ε, clip   decay λ    θ may lie on   state on
    GD, SGD, momentum, Nesterov, with L2   s / n_j             n_j / s    IE∩OE          IE∩OE
    L2-init                                s / n_j             n_j / s    IE∩OE          IE∩OE
    clipping by value                      s / n_j   n_j                  IE∩OE
    RMSProp, Adagrad, Adam                 s         n_j                  IE∩OE          BC
    AdamW                                  s         n_j       1 / s      IE∩OE          BC
    sign-SGD, Lion                         s                   1 / s      IE∩OE          BC
    Adam with coupled L2                   s         n_j       n_j / s    BC             BC
    SGD with L1                            s / n_j             n_j        BC

Rate times decay, of decay that is subtracted from the weights, is the same for both networks.
States are those of the base network in units of its gradients: n_jᵏ times the clones', k their
degree. The last two have no quotient off BC: over one base point clones move apart differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from theory.errors import OptimizerError
from theory.exact_arrays import Array
from theory.optimizer import (
    Optimizer,
    Slot,
    adagrad,
    adam,
    adam_l2,
    adamw,
    heavy_ball,
    heavy_ball_l2,
    l2_init,
    lion,
    lion_decay,
    nesterov,
    rmsprop,
    sgd,
    sgd_l1,
    sgd_l2,
    sign_sgd,
    value_clipped_sgd,
)
from theory.quotient import Quotient

FACTOR = "factor"  # prefix of the slots that hold block factors
Exponents = Mapping[str, tuple[int, int]]
Factors = Mapping[str, Mapping[str, Array]]  # by parameter and hyperparameter


@dataclass(frozen=True)
class QuotientLaw:
    """An entrywise optimizer with the hyperparameters of its quotient.

    Attributes:
        optimizer: of the cloned network.
        exponents: (a, b) of s and n_j, for the hyperparameters that are others in the base.
        is_linear: in θ, state and gradients; then the state may lie anywhere on IE∩OE, otherwise
            on BC.
        keeps_leaves: whether θ may lie anywhere on IE∩OE, otherwise on BC.
        argument: (a, b) of what the arguments of √, |·| and sign are multiplied by in the base.
    """

    optimizer: Optimizer
    exponents: Exponents
    is_linear: bool = False
    keeps_leaves: bool = True
    argument: tuple[int, int] = (0, 1)

    def factors(self, quotient: Quotient) -> Factors:
        """The exact factors of the hyperparameters for each entry of each base parameter.

        >>> from theory.partition import make_partition
        >>> from theory.quotient import quotient
        >>> from theory.zoo import mlp
        >>> wide = mlp([1, 2, 6, 1])
        >>> blocks = {"h1": [[0, 1]], "h2": [[0, 1, 2], [3, 4, 5]]}
        >>> found = law_of(adam()).factors(quotient(wide, make_partition(wide.sizes, blocks)))
        >>> {name: str(factor[0, 0]) for name, factor in found["W2"].items()}
        {'rate': '2', 'eps': '3'}
        """
        return {
            p: {name: block_powers(quotient, p, e) for name, e in self.exponents.items()}
            for p in quotient.base.parameters
        }


def block_powers(quotient: Quotient, p: str, exponents: tuple[int, int]) -> Array:
    """s^a n_j^b for each entry of a base parameter."""
    a, b = exponents
    powers: Array = quotient.sources[p] ** a * quotient.targets[p] ** b
    return powers


def with_factors(optimizer: Optimizer, names: tuple[str, ...]) -> Optimizer:
    """The optimizer with entrywise multiples of some hyperparameters.

    The factors are constant arrays of the state, in slots ``factor rate``; state for the first
    step has to be given.
    """

    def slots(ndim: int) -> tuple[Slot, ...]:
        constants = (Slot(f"{FACTOR} {name}", tuple(range(ndim)), "anchor") for name in names)
        return (*optimizer.slots(ndim), *constants)

    def rule(w: Any, g: Any, s: dict[str, Any], h: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        factors = {f"{FACTOR} {name}": s[f"{FACTOR} {name}"] for name in names}
        own = {name: value for name, value in s.items() if name not in factors}
        multiples = {name: h[name] * s[f"{FACTOR} {name}"] for name in names}
        moved, after = optimizer.rule(w, g, own, {**h, **multiples})
        return moved, {**after, **factors}

    return replace(optimizer, name=f"{optimizer.name}, block rates", slots=slots, rule=rule)


def base_state(
    quotient: Quotient, optimizer: Optimizer, state: Mapping[str, Any]
) -> dict[str, Any]:
    """The base network's state for a state of the clones; leading axes are kept.

    Raises:
        ManifoldError: if an array is missing or does not fit.
    """
    found: dict[str, Any] = {}
    for slot in optimizer.slots(0):
        own = {p: state[f"{slot.name}:{p}"] for p in quotient.wide.parameters}
        match slot.role:
            case "momentum":
                image = quotient.signals(own, 1)
            case "scale":
                image = quotient.signals(own, 2)
            case _:
                image = quotient(own)
        found |= {f"{slot.name}:{p}": value for p, value in image.items()}
    return found


def factor_state(factors: Factors) -> dict[str, Array]:
    """Factors as the constant part of the state of :func:`with_factors`."""
    return {
        f"{FACTOR} {name}:{p}": values for p, own in factors.items() for name, values in own.items()
    }


_LINEAR = {"rate": (1, -1)}
_DECAYING = {"rate": (1, -1), "decay": (-1, 1)}
_NORMALISED = {"rate": (1, 0), "eps": (0, 1)}

LAWS = (
    QuotientLaw(sgd(), _LINEAR, is_linear=True),
    QuotientLaw(heavy_ball(), _LINEAR, is_linear=True),
    QuotientLaw(nesterov(), _LINEAR, is_linear=True),
    QuotientLaw(sgd_l2(), _DECAYING, is_linear=True),
    QuotientLaw(heavy_ball_l2(), _DECAYING, is_linear=True),
    QuotientLaw(l2_init(), _DECAYING, is_linear=True),
    QuotientLaw(value_clipped_sgd(), {"rate": (1, -1), "clip": (0, 1)}),
    QuotientLaw(rmsprop(), _NORMALISED),
    QuotientLaw(adagrad(), _NORMALISED),
    QuotientLaw(adam(), _NORMALISED),
    QuotientLaw(adamw(), {**_NORMALISED, "decay": (-1, 0)}),
    QuotientLaw(sign_sgd(), {"rate": (1, 0)}),
    QuotientLaw(lion(), {"rate": (1, 0)}),
    QuotientLaw(lion_decay(), {"rate": (1, 0), "decay": (-1, 0)}),
    QuotientLaw(adam_l2(), {**_NORMALISED, "decay": (-1, 1)}, keeps_leaves=False),
    QuotientLaw(sgd_l1(), {"rate": (1, -1), "decay": (0, 1)}, keeps_leaves=False, argument=(1, 0)),
)


def law_of(optimizer: Optimizer) -> QuotientLaw:
    """The quotient of an optimizer, with its own hyperparameters.

    Raises:
        OptimizerError: if none is known: rules that join the entries of a tensor, such as clipping
            by norm or Muon, have another form in the base network, if any.
    """
    for law in LAWS:
        if law.optimizer.name == optimizer.name:
            return replace(law, optimizer=optimizer)
    known = ", ".join(law.optimizer.name for law in LAWS)
    raise OptimizerError(f"{optimizer.name}: no quotient with block hyperparameters; {known} have")
