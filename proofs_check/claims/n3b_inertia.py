"""N3b: the number of negative eigenvalues of a transverse block, from G and B on the kernel."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flint import fmpq, fmpq_mat

from numerics.spectrum import TransverseBlock
from numerics.spectrum.inertia import ExactEigenvalues
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.cloned_points import ClonedPoint, draw_point
from proofs_check.drawing.networks import chooser
from proofs_check.drawing.planted_spectra import draw_planted, rounded_inertia
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted
from proofs_check.theorems import from_theorem
from theory.stability.inertia import INERTIA
from theory.stability_class import Inertia

Formula = Callable[[fmpq_mat, fmpq_mat], int]


def exact_block(block: TransverseBlock) -> ExactEigenvalues:
    """The eigenvalues of a block of rational numbers; √n in its rows does no harm."""
    return ExactEigenvalues(block.form, [Fraction(1, int(n)) for n in block.gram])


def parts(block: TransverseBlock) -> tuple[fmpq_mat, fmpq_mat, fmpq_mat]:
    """B, G and what should be 0, with rows and columns scaled by √n: a congruent matrix."""
    count, form = block.component.num_incoming, block.form
    return (
        _matrix(form[:count, :count]),
        _matrix(form[:count, count:]),
        _matrix(form[count:, count:]),
    )


def _matrix(entries: Any) -> fmpq_mat:
    rows, columns = entries.shape
    return fmpq_mat(rows, columns, [fmpq(v) for v in entries.ravel().tolist()])


def negative_count(inner: fmpq_mat, coupling: fmpq_mat) -> int:
    """rank G + n₋(ZᵀBZ), Z a basis of ker Gᵀ."""
    rank = coupling.rank()
    return rank + ExactEigenvalues(_restricted(inner, coupling)).inertia().negative


def _restricted(inner: fmpq_mat, coupling: fmpq_mat) -> list[list[fmpq]]:
    """ZᵀBZ, by elimination."""
    reduced, rank = coupling.transpose().rref()
    size = inner.nrows()
    pivots = [next(j for j in range(size) if reduced[i, j] != 0) for i in range(rank)]
    free = [j for j in range(size) if j not in pivots]
    if not free:
        return []
    kernel = fmpq_mat(size, len(free))
    for k, j in enumerate(free):
        kernel[j, k] = fmpq(1)
        for i, pivot in enumerate(pivots):
            kernel[pivot, k] = -reduced[i, j]
    found: list[list[fmpq]] = (kernel.transpose() * inner * kernel).tolist()
    return found


def rank_alone(_: fmpq_mat, coupling: fmpq_mat) -> int:
    """rank G."""
    return int(coupling.rank())


def inner_alone(inner: fmpq_mat, _: fmpq_mat) -> int:
    """n₋(B)."""
    return ExactEigenvalues(inner.tolist()).inertia().negative


def _compare(settings: Settings, formula: Formula, statement: str) -> Evidence:
    """A formula against exact characteristic polynomials, in random rational networks."""
    count = 300 if settings.full else 60
    blocks = 0
    for trial in range(count):
        choose = chooser(settings.sub_seed("N3b", trial))
        point = draw_point(choose, "relu" if trial % 3 == 0 else "phi")
        for block in point.blocks():
            inner, coupling, rest = parts(block)
            true = exact_block(block).inertia().negative
            if any(v != 0 for v in rest.entries()):
                return refuted(point.network.name, "M has a block G-G that is not 0")
            if formula(inner, coupling) != true:
                return _counterexample(point, block, formula(inner, coupling), true, statement)
            blocks += 1
    return holds(
        Level.PROVED,
        f"{blocks} transverse blocks of {count} random rational networks, every third with ReLU",
        f"{statement}, against Descartes' rule on exact characteristic polynomials",
        figures={"networks": count, "blocks": blocks},
    )


def _counterexample(
    point: ClonedPoint, block: TransverseBlock, claimed: int, true: int, statement: str
) -> Evidence:
    matrix = [[str(v) for v in row] for row in block.form.tolist()]
    return refuted(
        f"{point.network.name}, clones {block.units} of {block.axis}",
        f"not so: {statement}: {claimed}, but {true} eigenvalues are negative",
        counterexample={"M, congruent": matrix, "claimed": claimed, "negative": true},
    )


def derivation(_: Settings) -> Evidence:
    """The congruence, for blocks of any size."""
    return from_theorem(
        INERTIA, "every symmetric B and every G, of any size", "M ≅ hyperbolic part ⊕ ZᵀBZ"
    )


def random_networks(settings: Settings) -> Evidence:
    """The formula in random rational networks."""
    return _compare(settings, negative_count, "n₋(M) = rank G + n₋(ZᵀBZ)")


def dense_hessians(settings: Settings) -> Evidence:
    """The inertia of the dense Hessian on the normal space is that of all blocks together."""
    count = 100 if settings.full else 20
    for trial in range(count):
        choose = chooser(settings.sub_seed("N3b", "dense", trial))
        point = draw_point(choose, "relu" if trial % 3 == 0 else "phi")
        dense = ExactEigenvalues(point.normal_hessian()[0]).inertia()
        together = Inertia(0, 0, 0)
        for block in point.blocks():
            together = together + block.multiplicity * exact_block(block).inertia()
        if dense != together:
            return refuted(
                point.network.name,
                f"the blocks have {together}, the dense normal Hessian {dense}",
                counterexample={"dense": str(dense), "blocks": str(together)},
            )
    return holds(
        Level.PROVED,
        f"{count} random rational networks",
        "the dense Hessian of the squared error on the normal space has the inertia of all blocks, "
        "n_i - 1 times each, by exact characteristic polynomials",
        figures={"networks": count},
    )


def planted_spectra(settings: Settings) -> Evidence:
    """The method itself: spectra with repeated, tiny and exactly zero eigenvalues."""
    count = 1000 if settings.full else 200
    wrong = {"by sign": 0, "by tolerance": 0}
    for trial in range(count):
        planted = draw_planted(chooser(settings.sub_seed("N3b", "planted", trial)))
        found = ExactEigenvalues(planted.matrix).inertia()
        if found != planted.inertia:
            entries = [[str(v) for v in row] for row in planted.matrix.tolist()]
            return refuted(
                "planted spectra",
                f"{found} in place of {planted.inertia}",
                counterexample={"matrix": entries},
            )
        for name, strict in (("by sign", True), ("by tolerance", False)):
            wrong[name] += rounded_inertia(planted.matrix, strict=strict) != planted.inertia
    return holds(
        Level.PROVED,
        f"{count} planted spectra of sizes 2 to 20",
        "characteristic polynomial and Descartes' rule: none wrong",
        figures={
            "matrices": count,
            "wrong": 0,
            **{f"NumPy's eigenvalues wrong {name}": n for name, n in wrong.items()},
        },
    )


def rounded_signs(settings: Settings) -> Evidence:
    """Signs of NumPy's eigenvalues as the inertia."""
    for trial in range(50):
        planted = draw_planted(chooser(settings.sub_seed("N3b", "planted", trial)))
        found = rounded_inertia(planted.matrix, strict=True)
        if found != planted.inertia:
            entries = [[str(v) for v in row] for row in planted.matrix.tolist()]
            return refuted(
                "planted spectra",
                f"NumPy's eigenvalues have {found}, the matrix has {planted.inertia}",
                counterexample={"matrix": entries},
            )
    return holds(Level.OBSERVED, "50 planted spectra", "NumPy's signs are right")


CLAIMS = (
    Claim(
        id="N3b",
        title="exact inertia of a transverse block",
        statement=(
            "For M = [[B, G], [Gᵀ, 0]] and a basis Z of ker Gᵀ: n₋(M) = rank G + n₋(ZᵀBZ), and "
            "likewise n₊. So wherever some G_i ≠ 0 the manifold is a saddle."
        ),
        hypotheses=("units with one pre-activation", "a point of BC"),
        where="new; the conditions that Definition 2.2 of the paper leaves open",
        expected=Verdict.PROVED,
        checks=(
            Check("a congruence of blocks of any size", derivation),
            Check("random rational networks", random_networks),
            Check("dense Hessians of random rational networks", dense_hessians),
            Check("planted spectra", planted_spectra, part="the method"),
        ),
        false_variants=(
            FalseVariant(
                "n₋(M) = rank G",
                "B bends the directions that G does not see",
                lambda s: _compare(s, rank_alone, "n₋(M) = rank G"),
            ),
            FalseVariant(
                "n₋(M) = n₋(B)",
                "G makes a saddle whatever B is",
                lambda s: _compare(s, inner_alone, "n₋(M) = n₋(B)"),
            ),
            FalseVariant(
                "signs of float64 eigenvalues",
                "rounding gives exact zeros a sign",
                rounded_signs,
            ),
        ),
    ),
)
