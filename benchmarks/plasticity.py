"""The plasticity dimension of MLPs, generic, with cloned units and under cross-entropy.

Every gradient of every loss lies in a space of this dimension (N6): gradients over one prime field
are eliminated until the space stops growing, what annihilates it is lifted to rational numbers and
proved over other primes, with error at most 2^-60. The elimination of 10,102 parameters takes
0.7 · 10¹² operations, in float64 matrix products with exact residues.

Run: python -m benchmarks.plasticity
"""

import sys

from benchmarks.measuring import Row, at_most, parser, report, seconds_of

CASES = (([20, 30, 30, 14], 10), ([50, 70, 70, 22], 300))  # widths, seconds allowed


def rows(quick: bool) -> list[Row]:
    from numerics.plasticity.dimension import plasticity_dimension
    from theory.manifold import ambient, equitable
    from theory.partition import make_partition
    from theory.zoo import mlp

    found = []
    for widths, limit in CASES[: 1 if quick else None]:
        net = mlp(widths)
        blocks = {f"h{k}": [[u, u + 1] for u in range(0, widths[k], 2)] for k in (1, 2)}
        clones = equitable(net, make_partition(net.sizes, blocks))
        for name, manifold, adjoints in (
            ("generic", ambient(net), "all"),
            ("clones in pairs", clones, "all"),
            ("cross-entropy", ambient(net), "cross-entropy"),
        ):
            results = []

            def find(manifold=manifold, adjoints=adjoints, net=net, results=results) -> None:
                results.append(plasticity_dimension(net, manifold, adjoints=adjoints))

            seconds = seconds_of(find)
            if not results[0].is_proved:
                raise RuntimeError(results[0].summary())
            size = f"{results[0].dimension:,} of {net.num_parameters:,}"
            found.append(at_most(f"{name}, dimension {size}", seconds, limit, " s"))
    return found


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--quick", action="store_true", help="only the smaller network")
    chosen = options.parse_args()
    return report(rows(chosen.quick), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
