"""Formulas in a page: LaTeX between dollars becomes MathML, which browsers render by themselves."""

from __future__ import annotations

import re
from html import escape

from latex2mathml.converter import convert

from theory.exposition import row

# Indices and powers as plain text writes them: δ_v, δ̂_v, φ'_v, 2^-60.
_INDEX = re.compile(r"(?<![\w.])([^\W\d_][\u0300-\u036f]?\d?'{0,2})_(\w{1,6})\b")
_POWER = re.compile(r"(?<![\w.])(\d+)\^(-?)(\d+)\b")


# A prime is a raised glyph: as a superscript it would be raised twice, and too small to be seen.
_PRIME = re.compile(r"<msup>(<mi>[^<]*</mi>)<mi>(&#x0203[2-4];)</mi></msup>")
# The bar of |x| is an infix operator to browsers, with spaces on both sides.
_BAR = '<mo stretchy="false">&#x0007C;</mo>'


def with_formulas(text: str) -> str:
    r"""HTML of plain text with formulas between single dollars.

    >>> with_formulas("δ_v < 2^-60")
    'δ<sub>v</sub> &lt; 2<sup>−60</sup>'
    >>> with_formulas(r"let $\theta \in M$")[:10]
    'let <math '
    """
    parts = text.split("$")
    if len(parts) % 2 == 0:  # a dollar of its own
        return _plain(text)
    return "".join(formula(part) if k % 2 else _plain(part) for k, part in enumerate(parts))


def _plain(text: str) -> str:
    indexed = _INDEX.sub(r"\1<sub>\2</sub>", escape(text, quote=False))
    return _POWER.sub(
        lambda m: f"{m[1]}<sup>{'−' if m[2] else ''}{m[3]}</sup>",
        indexed,
    )


def formula(latex: str, *, display: bool = False) -> str:
    r"""MathML of a formula; the LaTeX itself where it cannot be converted.

    >>> "<mfrac>" in formula(r"\frac{a}{b}", display=True)
    True
    """
    try:
        converted: str = convert(latex, display="block" if display else "inline")
    except Exception:  # the converter raises what its parser happens upon
        return f"<code>{escape(latex)}</code>"
    primed = _PRIME.sub(r'<mrow>\1<mo lspace="0" rspace="0">\2</mo></mrow>', converted)
    return primed.replace(_BAR, _BAR.replace(">", ' lspace="0" rspace="0">', 1))


def aligned(formulas: tuple[str, ...]) -> str:
    """MathML of several lines, aligned at their ``&``."""
    body = r" \\ ".join(row(formula) for formula in formulas)
    return formula(rf"\begin{{align*}}{body}\end{{align*}}", display=True)
