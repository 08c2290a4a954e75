"""Optimizers as maps: (θ, state, gradient function) ↦ (θ', state').

A rule is ordinary NumPy code for one tensor; what joins several tensors, or asks for gradients at
other points, happens before it, in :attr:`Optimizer.slopes`, or after it, in
:attr:`Optimizer.finish`. The code is written once. Traced
(:mod:`theory.optimizer.step`) it is a graph, which runs vectorised in floating point, to any number
of digits, in rational numbers, and in prime fields, where statements about it are proved.

What changes from step to step without looking at the data, such as Adam's bias correction or a
schedule of learning rates, are scalars computed from the number of the step. A proof takes them as
arbitrary numbers, so it holds for all schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal

from theory.errors import OptimizerError
from theory.primitives import Shape

Arrays = dict[str, Any]
Gradient = Callable[[Arrays], Arrays]
Scalars = Mapping[str, Any]
Rule = Callable[[Any, Any, Arrays, Scalars], tuple[Any, Arrays]]
Role = Literal["momentum", "scale", "statistics", "anchor", "noise"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One array of the state of one parameter.

    Args:
        name: of the slot; the array of parameter ``W1`` is ``name:W1``.
        axes: for each axis of the array the axis of the parameter over which it runs, ``None`` for
            an axis of length 1.
        role: ``momentum``, linear in past gradients, or ``scale``, of their squares, both of which
            start at 0; ``statistics``, a matrix that starts at ε·I; ``anchor``, which starts at
            the parameter; ``noise``, drawn afresh before each step.
    """

    name: str
    axes: tuple[int | None, ...]
    role: Role

    def shape(self, parameter: Shape) -> Shape:
        """The array's shape.

        >>> Slot("row", (0, None), "scale").shape((3, 4))
        (3, 1)
        """
        return tuple(1 if axis is None else parameter[axis] for axis in self.axes)


Slots = Callable[[int], tuple[Slot, ...]]  # of the number of axes of a parameter


def stateless(ndim: int) -> tuple[Slot, ...]:
    """No state."""
    return ()


def like(role: Role, *names: str) -> Slots:
    """Slots of one role with the shape of the parameter."""
    return lambda ndim: tuple(Slot(name, tuple(range(ndim)), role) for name in names)


def at_the_point(theta: Arrays, gradient: Gradient, h: Scalars) -> Arrays:
    """The gradient at θ itself."""
    return gradient(theta)


def constant(step: int, h: Scalars) -> Scalars:
    """The hyperparameters, the same in every step."""
    return h


def unchanged(theta: Arrays, state: Arrays) -> Arrays:
    """θ itself."""
    return theta


@dataclass(frozen=True)
class Optimizer:
    """A rule by which parameters move, PyTorch's conventions wherever PyTorch has it.

    Args:
        name: as in tables.
        hyperparameters: numbers by name.
        rule: ``(w, g, s, h)`` to ``(w', s')`` for one tensor ``w``, its gradient ``g``, its arrays
            of the state by slot and the scalars.
        slots: the state of a parameter, from its number of axes.
        slopes: ``(θ, gradient function, h)`` to the gradients that the rule is given.
        schedule: ``(step, hyperparameters)`` to the scalars ``h``; steps count from 1.
        finish: ``(θ', state')`` to the parameters at the end of the step, for what is done to
            several tensors together.

    Raises:
        OptimizerError: if the name is empty.
    """

    name: str
    hyperparameters: Mapping[str, Fraction]
    rule: Rule
    slots: Slots = stateless
    slopes: Callable[[Arrays, Gradient, Scalars], Arrays] = at_the_point
    schedule: Callable[[int, Scalars], Scalars] = constant
    finish: Callable[[Arrays, Arrays], Arrays] = unchanged

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise OptimizerError("name='': an optimizer is called something")

    def with_hyperparameters(self, **numbers: Fraction | int | float | str) -> Optimizer:
        """The same rule with other numbers; a string is a decimal or a fraction.

        Raises:
            OptimizerError: if there is no such hyperparameter, or it is no finite number.

        >>> from theory.optimizer import sgd
        >>> dict(sgd().with_hyperparameters(rate="1/8").hyperparameters)
        {'rate': Fraction(1, 8)}
        """
        for name in numbers:
            if name not in self.hyperparameters:
                known = ", ".join(self.hyperparameters)
                raise OptimizerError(f"{self.name}: no hyperparameter {name!r}; there are {known}")
        return replace(self, hyperparameters={**self.hyperparameters, **exact_numbers(**numbers)})

    def scalars(self, step: int) -> Scalars:
        """The scalars of a step.

        Raises:
            OptimizerError: if ``step`` is less than 1.

        >>> from theory.optimizer import adam
        >>> adam().scalars(1)["correction1"]
        Fraction(1, 10)
        """
        if step < 1:
            raise OptimizerError(f"step={step}: steps count from 1")
        return self.schedule(step, self.hyperparameters)

    def state_shapes(self, parameters: Mapping[str, Shape]) -> dict[str, Shape]:
        """Names and shapes of the state for parameters of these shapes.

        >>> from theory.optimizer import adafactor
        >>> adafactor().state_shapes({"W1": (3, 4)})
        {'row:W1': (3, 1), 'column:W1': (1, 4)}
        """
        return {
            f"{slot.name}:{p}": slot.shape(shape)
            for p, shape in parameters.items()
            for slot in self.slots(len(shape))
        }

    def step(
        self, theta: Arrays, state: Arrays, gradient: Gradient, h: Scalars
    ) -> tuple[Arrays, Arrays]:
        """One step, ``(θ', state')``, of arrays of any kind with NumPy's operations."""
        slopes = self.slopes(theta, gradient, h)
        moved: Arrays = {}
        kept: Arrays = {}
        for p, w in theta.items():
            names = [slot.name for slot in self.slots(w.ndim)]
            own = {name: state[f"{name}:{p}"] for name in names}
            moved[p], after = self.rule(w, slopes[p], own, h)
            kept |= {f"{name}:{p}": after[name] for name in names}
        return self.finish(moved, kept), kept

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        return f"{self.name}({numbers})"


def exact_numbers(**numbers: Fraction | int | float | str) -> Mapping[str, Fraction]:
    """Hyperparameters as rational numbers.

    Raises:
        OptimizerError: if one is no finite number.
    """
    found: dict[str, Fraction] = {}
    for name, value in numbers.items():
        try:
            found[name] = Fraction(value)
        except (ArithmeticError, TypeError, ValueError):
            raise OptimizerError(f"{name}={value!r}: a hyperparameter is a finite number") from None
    return MappingProxyType(found)
