"""One question asked of one network: does training ever leave this manifold?

Two routes answer it, and share nothing but the network and its gradient. The exact check evaluates
in random prime fields; the calculus of :mod:`theory.modules` derives block structures layer by
layer and evaluates nothing. It speaks of clones only and may not see why something holds, but it
has no error and hardly minds the size. If it certifies what the exact check refutes, the toolkit is
wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isinf
from time import perf_counter
from typing import Any, Literal, get_args

from numerics.exact import ExactResult, prove_invariance
from numerics.generic import num_samples
from proofs_check.counterexample import Counterexample, find_counterexample
from proofs_check.errors import DisagreementError, OptionError
from proofs_check.evidence import Evidence, Level, corroborate, error_bound, holds, refuted, unknown
from proofs_check.question import Question, function_symbols
from theory.architecture import Architecture
from theory.manifold import ClonedManifold
from theory.modules import Certified, NotCertified, certify
from theory.primitives import Divide

Method = Literal["both", "exact", "calculus"]

MAX_EXACT = 20_000_000
"""Parameters up to which the exact check runs unless it is asked for."""

DIVIDING = frozenset({"reciprocal", "log", "sqrt", "rsqrt"})


@dataclass(frozen=True)
class Answer:
    """What was found, and for which question.

    Args:
        question: what was asked.
        evidence: what both routes together show.
        counterexample: numbers with which training leaves the manifold.
        result: what the exact check found, if it ran.
        calculus: what the calculus found, if it ran.
        seed: of everything random.
        seconds: how long it took.
    """

    question: Question
    evidence: Evidence
    counterexample: Counterexample | None
    result: ExactResult | None
    calculus: Certified | NotCertified | None
    seed: int
    seconds: float

    def as_json(self, *, derivation: bool = False) -> dict[str, Any]:
        """The answer as ``lop prove --json`` writes it; the calculus step by step if asked."""
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
            "exact": _exact_json(self.result),
            "calculus": _calculus_json(self.calculus, derivation),
            "seconds": round(self.seconds, 3),
        }


def _exact_json(result: ExactResult | None) -> dict[str, Any] | None:
    if result is None:
        return None
    is_proved = result.verdict == "proved"
    return {
        "verdict": result.verdict,
        "error_bound": error_bound(result.error_bits) if is_proved else None,
        "fields": len(result.primes),
    }


def _calculus_json(
    found: Certified | NotCertified | None, derivation: bool
) -> dict[str, Any] | None:
    if found is None:
        return None
    steps = found.derivation
    return {
        "certified": found.is_certified,
        "breach": str(found.breach) if isinstance(found, NotCertified) else None,
        "steps": len(steps.steps),
        **({"derivation": steps.to_json()} if derivation else {}),
    }


def answer(question: Question, *, method: str = "both", bits: float = 60, seed: int = 0) -> Answer:
    """Prove or refute, and look for a counterexample where the proof fails.

    Args:
        question: what is asked.
        method: ``exact`` check, ``calculus`` of clones, or ``both``: then the exact check is left
            out for more than 20 million parameters, and the calculus where units are frozen.
        bits: an exact proof is wrong with a chance of at most 2^-bits.
        seed: of the proof and of the search.

    Raises:
        OptionError: if there is no such method, the calculus alone is asked about frozen units,
            ``bits`` is not positive or ``seed`` is negative.
        DisagreementError: if the calculus certifies what the exact check refutes.
        LopError: if the network has no exact model, or the error cannot be reached.

    >>> from proofs_check.question import make_question
    >>> from theory.zoo import from_name
    >>> net = from_name("mlp:3-4-4-2:tanh")
    >>> found = answer(make_question(net, ["h1=0,1/2,3", "h2=0,1/2,3"]))
    >>> found.evidence.level_words, found.result.verdict, found.calculus.is_certified
    ('proved', 'proved', True)
    """
    if method not in get_args(Method):
        raise OptionError(f"--method {method!r}: there are {', '.join(get_args(Method))}")
    if not bits > 0 or isinf(bits):
        raise OptionError(f"--bits {bits}: a bound 2^-bits needs finite bits > 0")
    if seed < 0:
        raise OptionError(f"--seed {seed}: a seed is an integer >= 0")
    architecture, points, tangent = question.architecture, question.points, question.tangent
    if method == "calculus" and not _is_about_clones(question):
        raise OptionError("--method calculus: it speaks of clones, not of frozen units")
    start = perf_counter()
    result = None
    if method == "exact" or (method == "both" and not _is_too_large(question)):
        result = prove_invariance(architecture, points, tangent=tangent, bits=bits, seed=seed)
    derived = _derived(question, result) if method != "exact" else None
    if result and result.verdict == "refuted" and derived and derived.is_certified:
        raise DisagreementError(
            f"the calculus certifies what the exact check refutes: {result.summary()} (seed {seed})"
        )
    counterexample = None
    if result and result.verdict == "refuted":
        counterexample = find_counterexample(
            architecture, points, tangent, batch=result.batch, seed=seed
        )
    evidence = _evidence(question, result, derived, counterexample)
    seconds = perf_counter() - start
    return Answer(question, evidence, counterexample, result, derived, seed, seconds)


def _is_about_clones(question: Question) -> bool:
    both = (question.points, question.tangent)
    return all(isinstance(manifold, ClonedManifold) for manifold in both)


def _is_too_large(question: Question) -> bool:
    return _is_about_clones(question) and question.architecture.num_parameters > MAX_EXACT


def _derived(question: Question, result: ExactResult | None) -> Certified | NotCertified | None:
    points, tangent = question.points, question.tangent
    if not isinstance(points, ClonedManifold) or not isinstance(tangent, ClonedManifold):
        return None
    batch = num_samples(question.architecture) if result is None else result.batch
    return certify(question.architecture, points, tangent=tangent, batch=batch)


def _evidence(
    question: Question,
    result: ExactResult | None,
    derived: Certified | NotCertified | None,
    counterexample: Counterexample | None,
) -> Evidence:
    """What the routes that ran show together."""
    supports = []
    if result is not None:
        supports.append(_exact_evidence(question, result, counterexample))
    # where a divisor vanishes on the whole manifold, a certificate speaks of no point at all
    if derived is not None and (result is None or result.verdict == "proved"):
        supports.append(_calculus_evidence(question, derived, is_alone=result is None))
    return corroborate(supports)


def _calculus_evidence(
    question: Question, derived: Certified | NotCertified, *, is_alone: bool
) -> Evidence:
    scope = _scope(question, derived.batch)
    if is_alone and _divides(question.architecture):
        scope += ", wherever no divisor is 0"
    if not derived.is_certified:
        reason = f"the calculus does not see that it holds; {_breach(derived)}"
        if is_alone:
            reason += "; --method exact asks the exact check"
        return unknown(scope, reason)
    steps = len(derived.derivation.steps)
    figures = {"manifold dimension": question.manifold.dimension}
    detail = f"derived by the calculus of cloning in {steps:,} steps"
    return holds(Level.PROVED, scope, detail, figures=figures)


def _breach(derived: Certified | NotCertified) -> str:
    return str(derived.breach) if isinstance(derived, NotCertified) else ""


def _divides(architecture: Architecture) -> bool:
    divides = any(isinstance(n.primitive, Divide) for n in architecture.graph(2).nodes)
    return divides or bool(DIVIDING & set(function_symbols(architecture)))


def _exact_evidence(
    question: Question, result: ExactResult, counterexample: Counterexample | None
) -> Evidence:
    symbols = function_symbols(question.architecture)
    is_open = not any(symbols.values())
    scope = _scope(question, result.batch)
    figures = {
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
    if result.verdict == "refuted" and is_open:
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


def _scope(question: Question, batch: int) -> str:
    symbols = function_symbols(question.architecture)
    every = [f"every smooth {name}" for name, is_known in symbols.items() if not is_known]
    return ", ".join([_data(question, batch), "every differentiable loss", *every])


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
            error = "" if isinf(result.error_bits) else f", error ≤ 2^-{floor(result.error_bits)}"
            return f"{law} in {len(result.primes)} random prime fields{error}"
        case "refuted":
            return f"not everywhere: {law}; it fails in {', '.join(result.failing)}"
        case _:
            return result.summary()
