"""One question asked of one network: does training ever leave this manifold?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isinf
from time import perf_counter
from typing import Any

from numerics.exact import ExactResult, prove_invariance
from proofs_check.counterexample import Counterexample, find_counterexample
from proofs_check.errors import OptionError
from proofs_check.evidence import Evidence, Level, holds, refuted, unknown
from proofs_check.question import Question, function_symbols


@dataclass(frozen=True)
class Answer:
    """What was found, and for which question."""

    question: Question
    evidence: Evidence
    counterexample: Counterexample | None
    result: ExactResult
    seed: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The answer as ``lop prove --json`` writes it."""
        found = self.evidence.as_json()
        return {
            "verdict": found["verdict"],
            "level": found["level"],
            "error_bound": found["error_bound"],
            "manifold_dimension": self.question.manifold.dimension,
            "parameters": self.question.architecture.num_parameters,
            "counterexample": found["counterexample"],
            "architecture": self.question.architecture.name,
            "seed": self.seed,
            "manifold": self.question.manifold.name,
            "conditions": list(self.question.conditions),
            "scope": found["scope"],
            "detail": found["detail"],
            "seconds": round(self.seconds, 3),
        }


def answer(question: Question, *, bits: float = 60, seed: int = 0) -> Answer:
    """Prove or refute, and look for a counterexample where the proof fails.

    Args:
        question: what is asked.
        bits: a proof is wrong with a chance of at most 2^-bits.
        seed: of the proof and of the search.

    Raises:
        OptionError: if ``bits`` is not positive or ``seed`` is negative.
        LopError: if the network has no exact model, or the error cannot be reached.

    >>> from proofs_check.question import make_question
    >>> from theory.zoo import from_name
    >>> net = from_name("mlp:3-4-4-2:tanh")
    >>> answer(make_question(net, ["h1=0,1/2,3", "h2=0,1/2,3"])).as_json()["verdict"]
    'proved'
    """
    if not bits > 0 or isinf(bits):
        raise OptionError(f"--bits {bits}: a bound 2^-bits needs finite bits > 0")
    if seed < 0:
        raise OptionError(f"--seed {seed}: a seed is an integer >= 0")
    start = perf_counter()
    result = prove_invariance(
        question.architecture, question.points, tangent=question.tangent, bits=bits, seed=seed
    )
    counterexample = None
    if result.verdict == "refuted":
        counterexample = find_counterexample(
            question.architecture,
            question.points,
            question.tangent,
            batch=result.batch,
            seed=seed,
        )
    evidence = _evidence(question, result, counterexample)
    return Answer(question, evidence, counterexample, result, seed, perf_counter() - start)


def _evidence(
    question: Question, result: ExactResult, counterexample: Counterexample | None
) -> Evidence:
    symbols = function_symbols(question.architecture)
    unknown_symbols = [name for name, known in symbols.items() if not known]
    every = [f"every smooth {name}" for name in unknown_symbols]
    scope = ", ".join([_data(question, result.batch), "every differentiable loss", *every])
    figures: Mapping[str, int] = {
        "fields": len(result.primes),
        "manifold dimension": question.manifold.dimension,
    }
    detail = _detail(result)
    if result.verdict == "proved" and isinf(result.error_bits):
        return holds(Level.PROVED, scope, detail, figures=figures)
    if result.verdict == "proved":
        return holds(
            Level.PROVED_WITH_ERROR, scope, detail, error_bits=result.error_bits, figures=figures
        )
    if counterexample is not None:
        return refuted(
            scope,
            detail,
            counterexample=counterexample.numbers,
            level=counterexample.level,
            figures=figures,
        )
    if result.verdict == "refuted" and len(unknown_symbols) == len(symbols):
        return refuted(scope, f"{detail}; no counterexample in numbers was found", figures=figures)
    if result.verdict == "refuted":
        # The field reads a known function by its algebra alone, which others share.
        known = ", ".join(name for name, is_known in symbols.items() if is_known)
        return unknown(
            scope,
            f"{detail}, for functions with the algebra of {known}; "
            "no counterexample with these functions themselves was found",
            figures=figures,
        )
    return unknown(scope, detail, figures=figures)


def _data(question: Question, batch: int) -> str:
    """For which data an answer holds."""
    samples = "input and label" if batch == 1 else f"batch of {batch} inputs and labels"
    held = [
        f"{axis}[{unit}] is constantly {value}"
        for axis, units in question.architecture.frozen.items()
        for unit, value in units.items()
    ]
    return f"every {samples}" + (f" on which {' and '.join(held)}" if held else "")


def _detail(result: ExactResult) -> str:
    law = f"the gradient on {result.manifold} is tangent to {result.tangent}"
    match result.verdict:
        case "proved":
            return f"{law} in {len(result.primes)} random prime fields"
        case "refuted":
            return f"not everywhere: {law}; it fails in {', '.join(result.failing)}"
        case _:
            return result.summary()
