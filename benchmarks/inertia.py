"""Signs of eigenvalues: certified counts against NumPy's rounded eigenvalues.

Planted symmetric rational matrices of sizes 2 to 20, whose eigenvalues repeat, are exactly 0, or
are tiny beside large ones: similar by rational reflections to a diagonal matrix, or congruent to
it by unimodular row operations. An answer is wrong if any of the three counts is. NumPy's
eigenvalues are counted by their signs, and by the tolerance of `numpy.linalg.matrix_rank`. Balls
cannot show that an eigenvalue is 0: what they leave undecided is counted, and is no error.

Run: python -m benchmarks.inertia
"""

import sys

from benchmarks.measuring import Row, parser, report, seconds_of

BITS = 256


def rows(count):
    from numerics.spectrum.inertia import EnclosedEigenvalues, ExactEigenvalues
    from numerics.systems.ball import Ball
    from proofs_check.drawing.networks import chooser
    from proofs_check.drawing.planted_spectra import draw_planted, rounded_inertia

    planted = [draw_planted(chooser(seed)) for seed in range(count)]
    balls = [Ball(BITS).array(p.matrix) for p in planted]
    exact, enclosed = [], []

    def by_polynomial():
        exact[:] = [ExactEigenvalues(p.matrix).inertia() for p in planted]

    def by_balls():
        enclosed[:] = [EnclosedEigenvalues(b, BITS).inertia() for b in balls]

    each = {
        name: 1e3 * seconds_of(run) / count
        for name, run in (("exact", by_polynomial), ("balls", by_balls))
    }
    wrong = sum(a != p.inertia for a, p in zip(exact, planted, strict=True))
    false = sum(
        a.negative > p.inertia.negative
        or a.zero > p.inertia.zero
        or a.positive > p.inertia.positive
        for a, p in zip(enclosed, planted, strict=True)
    )
    missed = sum(
        (a.negative, a.positive) != (p.inertia.negative, p.inertia.positive)
        for a, p in zip(enclosed, planted, strict=True)
    )
    yield Row(f"exact: wrong of {count:,}", f"{wrong}", "0", wrong == 0)
    yield Row(f"balls of {BITS} bits: wrong of {count:,}", f"{false}", "0", false == 0)
    yield Row("balls: an eigenvalue that is not 0 was left undecided", f"{missed}")
    for name, strict in (("by their signs", True), ("by a tolerance", False)):
        errors = sum(rounded_inertia(p.matrix, strict=strict) != p.inertia for p in planted)
        yield Row(f"NumPy's eigenvalues {name}: wrong of {count:,}", f"{errors:,}")
    yield Row("exact, a matrix", f"{each['exact']:.2f} ms")
    yield Row("balls, a matrix", f"{each['balls']:.2f} ms")


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--count", type=int, default=1000)
    chosen = options.parse_args()
    return report(rows(chosen.count), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
