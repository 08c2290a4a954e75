"""Certificates of the cloning calculus at full size.

ResNet-50 at 224×224 and ViT-B/16, all channels, model dimensions, hidden units and heads cloned in
pairs. A certificate follows the forward function for two samples, differentiates the graph and
gives every node of the gradient its block structure; a refusal also looks for the place where
blocks are lost. Each is timed in fresh processes, imports done, architecture and manifold made.

Run: python -m benchmarks.calculus
"""

import json
import sys
from statistics import median

from benchmarks.measuring import Row, at_most, in_fresh_process, parser, report, seconds_of

NETWORKS = ("resnet50", "vit_b16")
MAX_SECONDS = 5


def measured(name: str) -> dict[str, float]:
    """Seconds of a certificate and of a refusal, and the size of what is certified."""
    from theory import zoo
    from theory.backprop import gradient
    from theory.manifold import ClonedManifold, equitable, incoming_equitable
    from theory.modules import certify
    from theory.partition import make_partition

    net = getattr(zoo, name)()
    cloned = [
        a for a, n in net.sizes.items() if a[0] in "dmnh" and a[1:].isdecimal() and n % 2 == 0
    ]
    cloned += [a for a in net.sizes if a == "d" or a.startswith("head")]
    blocks = {a: [[k, k + 1] for k in range(0, net.sizes[a], 2)] for a in cloned}
    clones = make_partition(net.sizes, blocks)
    points, half = equitable(net, clones), incoming_equitable(net, clones)

    def expect(manifold: ClonedManifold, is_certified: bool) -> None:
        result = certify(net, manifold)
        if result.is_certified != is_certified:
            raise RuntimeError(result.summary())

    return {
        "certified": seconds_of(lambda: expect(points, True)),
        "refused": seconds_of(lambda: expect(half, False)),
        "nodes": len(gradient(net.graph(2)).nodes),
        "parameters": net.num_parameters,
        "axes": len(cloned),
    }


def rows(processes: int) -> list[Row]:
    found: list[Row] = []
    for name in NETWORKS:
        arguments = ["-m", "benchmarks.calculus", "--measure", name]
        runs = [json.loads(in_fresh_process(arguments)) for _ in range(processes)]
        one = {key: median(run[key] for run in runs) for key in runs[0]}
        worst = max(run["certified"] for run in runs)
        found += [
            Row(f"{name}: parameters", f"{one['parameters']:,.0f}"),
            Row(f"{name}: axes with clones", f"{one['axes']:.0f}"),
            Row(f"{name}: nodes of the gradient", f"{one['nodes']:,.0f}"),
            at_most(f"{name}: IE∩OE certified", one["certified"], MAX_SECONDS, " s"),
            at_most(f"{name}: slowest of {processes}", worst, MAX_SECONDS, " s"),
            at_most(f"{name}: IE alone refused", one["refused"], MAX_SECONDS, " s"),
        ]
    return found


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--processes", type=int, default=3)
    options.add_argument("--measure", choices=NETWORKS, help="print the figures of one process")
    chosen = options.parse_args()
    if chosen.measure:
        print(json.dumps(measured(chosen.measure)))
        return 0
    return report(rows(chosen.processes), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
