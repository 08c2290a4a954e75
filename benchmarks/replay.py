"""Replaying the certificate of a transformer of 2,000 parameters.

The claim: on IE∩OE of a decoder with tied embeddings (two blocks, width 8, two heads, four tokens;
model dimension, units inside heads and units of the mlps cloned in pairs) every gradient lies in
BC. It is re-checked in a fresh process with the standard library alone.

Run: python -m benchmarks.replay
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measuring import Row, at_most, parser, report, seconds_of

MAX_SECONDS = 60


def rows(repeat: int) -> list[Row]:
    from numerics.exact import prove_invariance
    from proofs_check.certificate import make_certificate, replay
    from theory.manifold import block_constant, equitable
    from theory.partition import make_partition
    from theory.zoo import decoder

    net = decoder(24, 4, 2, 8, 2, 32)
    sizes = {a: n for a, n in net.sizes.items() if a.rstrip("0123456789") in ("d", "k", "v", "m")}
    blocks = {a: [[k, k + 1] for k in range(0, n, 2)] for a, n in sizes.items()}
    clones = make_partition(net.sizes, blocks)
    points, tangent = equitable(net, clones), block_constant(net, clones)
    text = make_certificate(net, points, tangent, prove_invariance(net, points, tangent=tangent))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "certificate.json"
        file.write_text(text, encoding="utf-8")
        found = replay(file)
        if found["verdict"] != "accepted":
            raise RuntimeError(found["reason"])
        seconds = [seconds_of(lambda: replay(file)) for _ in range(repeat)]
    return [
        Row("parameters", f"{net.num_parameters:,}"),
        Row("certificate", f"{len(text) / 1000:.0f} kB"),
        at_most(
            f"replay in a fresh process (median of {repeat})", median(seconds), MAX_SECONDS, " s"
        ),
        Row("error of the replay", f"≤ 2^-{found['bits']}"),
    ]


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--repeat", type=int, default=5)
    chosen = options.parse_args()
    return report(rows(chosen.repeat), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
