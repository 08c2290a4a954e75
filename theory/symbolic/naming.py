"""Symbols for the entries of tensors, named as one writes them: w^{(1)}_{12}."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import sympy

from theory.primitives import Shape
from theory.symbolic.forward import Array


def heads(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    r"""Letter and superscript of every tensor: ``W1`` becomes w with (1).

    Letters are lower case unless two names would then be the same.

    >>> heads(["W1", "b1", "scale"])
    {'W1': ('w', '(1)'), 'b1': ('b', '(1)'), 'scale': ('\\mathrm{scale}', '')}
    >>> heads(["W", "w"])["W"]
    ('W', '')
    """
    names = list(names)
    lower = {name: _head(name, lower=True) for name in names}
    if len(set(lower.values())) == len(names):
        return lower
    return {name: _head(name, lower=False) for name in names}


def entries(letter: str, superscript: str, shape: Shape, sample: bool = False) -> Array:
    """An array of symbols, indexed from 1.

    Args:
        letter: LaTeX of the tensor.
        superscript: LaTeX of its superscript, may be empty.
        shape: of the array.
        sample: whether the first axis counts samples; a single sample is not numbered.

    >>> entries("w", "(1)", (1, 2))
    array([[w^{(1)}_{11}, w^{(1)}_{12}]], dtype=object)
    """
    array = np.empty(shape, dtype=object)
    upper = f"^{{{superscript}}}" if superscript else ""
    for index in np.ndindex(*shape):
        shown = [k + 1 for k in (index[1:] if sample and shape[0] == 1 else index)]
        comma = "," if any(k > 9 for k in shown) or sample else ""
        lower = f"_{{{comma.join(map(str, shown))}}}" if shown else ""
        array[index] = sympy.Symbol(f"{letter}{upper}{lower}")
    return array


def _head(name: str, *, lower: bool) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z]+)(\d*)", name)
    if match is None or (not lower and match[2]):
        return rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}", ""
    letters, number = match.groups()
    word = letters if len(letters) == 1 else rf"\mathrm{{{letters}}}"
    return word.lower() if lower and len(letters) == 1 else word, f"({number})" if number else ""
