"""Small claims with every kind of outcome, importable by worker processes."""

from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown


def proved(settings: Settings) -> Evidence:
    seed = settings.sub_seed("proved")
    return holds(Level.PROVED_WITH_ERROR, "all", "tested", error_bits=60, figures={"seed": seed})


def observed(settings: Settings) -> Evidence:
    return holds(Level.OBSERVED, "some", "seen", figures={"full": str(settings.full)})


def enclosed(_: Settings) -> Evidence:
    return holds(Level.ENCLOSED, "a number", "enclosed")


def false(_: Settings) -> Evidence:
    return refuted("one", "it fails", counterexample={"x": "1/2"})


def nothing(_: Settings) -> Evidence:
    return unknown("", "no idea")


def failing(_: Settings) -> Evidence:
    raise ValueError("two\nlines")


def silent(_: Settings) -> Evidence:
    return None  # type: ignore[return-value]


VARIANTS = (FalseVariant("wrong one", "it is", false), FalseVariant("wrong two", "it is", false))


def claim(
    name: str,
    *checks: Check,
    expected: Verdict = Verdict.PROVED,
    variants: tuple[FalseVariant, ...] = VARIANTS,
    about_numbers: bool = False,
) -> Claim:
    refuted_claim = expected is Verdict.REFUTED
    return Claim(
        id=name,
        title=f"claim {name}",
        statement="a statement",
        hypotheses=("none",),
        where="nowhere",
        expected=expected,
        checks=checks,
        false_variants=() if refuted_claim else variants,
        corrected_by="P2" if refuted_claim else None,
        about_numbers=about_numbers,
    )


ACCEPTS_FALSE = (VARIANTS[0], FalseVariant("accepted", "it is false", proved))
RAISES = (VARIANTS[0], FalseVariant("raising", "it is false", failing))

CLAIMS = (
    claim("P2", Check("proof", proved), Check("experiment", observed)),
    claim("P3", Check("counterexample", false), expected=Verdict.REFUTED),
    claim("P4", Check("proof", proved), variants=ACCEPTS_FALSE),
    claim("P5", Check("proof", proved), Check("bug", failing)),
    claim("P6", Check("proof", proved), variants=RAISES),
    claim("P7", Check("experiment", observed), expected=Verdict.UNKNOWN),
    claim("E7.sgd.leaf", Check("a", proved, part="a"), Check("b", observed, part="b")),
    claim("E7.adam.leaf", Check("proof", proved), Check("counterexample", false)),
    claim("P8", Check("enclosure", enclosed), about_numbers=True),
    claim("P9", Check("enclosure", enclosed)),
    claim("P10", Check("nothing", nothing), expected=Verdict.UNKNOWN),
    claim("P11", Check("no evidence", silent)),
)
