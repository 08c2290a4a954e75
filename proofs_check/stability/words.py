"""What ``lop stability`` prints."""

from __future__ import annotations

from fractions import Fraction

from proofs_check.stability.result import HEADER, Stability, named
from theory.stability_class import possible_classes

SHOWN = 4  # rows of an escape direction
AT_REST = 1e-9  # norm of a gradient


MAX_BLOCKS = 40  # rows of the table; --json has all


def lines(found: Stability) -> list[str]:
    """The answer as a person reads it: a table of blocks, then what it means."""
    return _table(found) + _meaning(found)


def _table(found: Stability) -> list[str]:
    table = [HEADER, *(verdict.row() for verdict in found.blocks[:MAX_BLOCKS])]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    told = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    more = len(found.blocks) - MAX_BLOCKS
    return told + ([f"… and {more:,} more blocks, in full with --json"] if more > 0 else [])


def _meaning(found: Stability) -> list[str]:
    question = found.question
    net = question.architecture
    told = [
        found.head(),
        f"  network      {net.name}, {net.num_parameters:,} parameters",
        f"  point        {question.where}",
        f"  data         {question.task.name}, loss {question.loss.name}",
        *(f"  condition    {text}" for text in question.conditions),
        f"  transverse   {found.inertia.size} directions: {found.inertia}",
    ]
    radius = found.undecided_radius
    if found.inertia.undecided and not question.decay and radius is not None:
        told.append(f"  undecided    eigenvalues that are at most {float(radius):.1e} in modulus")
    if question.decay:
        told.append(f"  decay        λ = {_short(question.decay)} is added to every eigenvalue")
    if found.num_mixed:
        fate = "shrink under decay" if question.decay else "neutral"
        told.append(f"  between leaves {found.num_mixed} directions keep the function: {fate}")
    told.append(
        f"  at rest      {'yes' if found.gradient < AT_REST else 'no'}: the gradient has norm "
        f"{found.gradient:.3g}"
        + ("" if found.gradient < AT_REST else ", so the class is that of this moment")
    )
    if found.kinks:
        read = (
            "are balls around 0: at 0 the loss has no Hessian; derivatives are those of both sides"
            if found.level == "enclosed"
            else "are 0: the loss has no Hessian there; derivatives are those from the left"
        )
        told.append(f"  kinks        {found.kinks} pre-activations {read}")
    told += _escape_lines(found)
    decay = found.critical_decay
    told.append(
        "  critical weight decay "
        + ("undecided" if decay is None else f"{decay.midpoint:.12g}{_width(found)}")
    )
    told += _step_lines(found)
    told += [
        f"  {'freed by' if k == 0 else '':<12} {text}" for k, text in enumerate(found.freed_by())
    ]
    if found.moved:
        told.append(f"  rounding     entries were moved by up to {found.moved:.1e} onto BC")
    if found.reason:
        told.append(f"  observed     {found.reason}")
    told.append(f"  time         {found.seconds:.2f} s")
    return told


def _width(found: Stability) -> str:
    decay = found.critical_decay
    if decay is None or decay.low == decay.high:
        return ""
    return f" ± {float(decay.high - decay.low) / 2:.1e}"


def _escape_lines(found: Stability) -> list[str]:
    escape = found.escape
    if escape is None:
        return ["  escape rate  0: no transverse direction certainly grows under gradient flow"]
    chosen = ", ".join(f"{label} {share:.0%}" for label, share in escape.shares[:SHOWN])
    units = ", ".join(map(str, escape.units))
    return [
        f"  escape rate  {escape.rate.midpoint:.6g}; rounding in float64 grows to the size of the "
        f"weights in about {found.duration()}",
        f"  escape along clones {units} of {escape.axis} part: {chosen}; incoming weights have "
        f"{escape.incoming:.0%} of it",
    ]


def _step_lines(found: Stability) -> list[str]:
    steps, limit, rate = found.steps, found.limit, found.question.rate
    if steps is None or limit is None or rate is None:
        return []
    beta = f", β = {_short(found.question.momentum)}" if found.question.momentum else ""
    return [
        f"  {found.method:<12} η = {_short(rate)}{beta}: contracts for eigenvalues in "
        f"(0, {float(limit):.6g}); {steps.negative} directions expand, {steps.zero} are neutral, "
        f"{steps.positive} contract"
        + (f", {steps.undecided} are undecided" if steps.undecided else "")
        + f": {named(possible_classes(steps))}"
    ]


def _short(number: Fraction) -> str:
    return f"{float(number):g}"
