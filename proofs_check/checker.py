"""Re-check a certificate of invariance with nothing but Python's standard library.

The claim: at every point of M, for all inputs and output adjoints, the gradient lies in T. M is a
point plus the span of vectors, T everything orthogonal to normal vectors n; both are listed. That
says J n = 0: the output does not move along normal directions, for ⟨Jᵀδ, n⟩ = ⟨δ, J n⟩. So nothing
is differentiated backwards here: the forward graph is evaluated in dual numbers a + ε b, at a
uniform point of M along a uniform combination of normal vectors, and must have b = 0.

Numbers are residues modulo a random prime p of 256 bits, function symbols random functions with
algebraic derivatives, 1/v among them. All is a polynomial over the integers in what is drawn and in
the 1/b of numbers a/b. Its weight w bounds its degree and log₂ of its l1 norm; with Q the common
denominator, Q^w times it has integer coefficients and an l1 norm of at most (2Q)^w. If it is not
zero, it vanishes modulo p with chance at most w/p + w log 2Q / (N log p) < w (2 + log₂ Q) / N, with
N the number of primes (Schwartz 1980, Zippel 1979). With S arguments of function symbols of weight
at most u (Gulwani and Necula 2005): error ≤ (S² (u + 1) + w) (2 + log₂ Q) / N + 2⁻¹³¹, the last for
the test of primality and for hashes of 512 bits that are reduced modulo p. They depend on the
certificate and on a salt: an author who foresees the salt may try many certificates.

Run: python checker.py FILE [SALT]
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from hashlib import blake2b, sha256
from itertools import chain, count, cycle, islice, pairwise, product
from math import gcd, lcm, prod
from operator import mul
from typing import Any, NamedTuple
from unicodedata import is_normalized

FORMAT, TOO_LARGE = "lop-certificate 2", "too large to be re-checked"
METHOD = "the gradient graph along generic normal vectors vanishes in random prime fields"
LOW, LOG_COUNT = 1 << 255, 246  # [LOW, 2·LOW) holds 2²⁴⁶ primes: Rosser and Schoenfeld 1962, (3.9)
PROVER_LOW, PROVER_HIGH = 3 << 21, 1 << 23
MAX_BITS, MAX_ENTRIES, MAX_PRODUCTS, MAX_DENOMINATOR = 128, 1 << 22, 1 << 27, 1 << (1 << 16)
RULES = {  # a function f of z and its derivative, both as they are evaluated and as they are stated
    "tanh": ("odd_tanh", "1 - f * f"),
    "sigmoid": ("half + odd_sigmoid", "f * (1 - f)"),
    "softplus": ("half * z + even_softplus", "half + odd_sigmoid"),
    "exp": ("any_exp", "f"),
    "log": ("any_log", "odd_reciprocal"),
    "sqrt": ("any_sqrt", "half * f * odd_reciprocal"),
    "rsqrt": ("any_rsqrt", "-half * f * odd_reciprocal"),
    "reciprocal": ("odd_reciprocal", "-f * f"),
    "step": ("half + free_step", "0"),
    "normal_cdf": ("half + odd_normal_cdf", "even_normal_pdf"),
    "normal_pdf": ("even_normal_pdf", "-z * f"),
}
KINDS = {None: ("any", "any"), "odd": ("odd", "even"), "even": ("even", "odd")}
SPARSE = [(int, Fraction)]  # entries in order and their values
PRIMITIVES: dict[str, tuple[int, dict[str, Any]]] = {  # number of operands, fields
    "Parameter": (0, {"name": str, "shape": [int]}),
    "Input": (0, {"name": str, "shape": [int]}),
    "Constant": (0, {"shape": [int], "runs": [(int, Fraction)]}),
    "Add": (2, {}),
    "Einsum": (2, {"subscripts": str}),
    "Apply": (1, {"function": str, "order": int, "parity": None}),
    "Reshape": (1, {"shape": [int]}),
    "Hold": (1, {"entry": int, "value": Fraction}),
}
CERTIFICATE = {
    "format": str,
    "bits": int,
    "batch": int,
    "num_parameters": int,
    "graph": {"nodes": [None], "output": int},
    "points": {"dimension": int, "vectors": [SPARSE], "offset": SPARSE},
    "tangent": {"dimension": int, "normals": [SPARSE]},
    "assumptions": [str],
    "prover": {"method": str, "seed": int, "primes": [int]},
    "digests": None,
}
Data = dict[str, Any]
Dual = tuple["Tensor", "Tensor"]  # value and tangent


class RejectedError(Exception):
    """The certificate does not check."""


def _require(condition: object, message: str = "operands do not fit") -> None:
    if not condition:
        raise RejectedError(message)


def canonical(value: Any) -> str:
    """The one text of JSON data: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digests(data: Data) -> dict[str, str]:
    """SHA-256 of the canonical texts of a certificate's parts, and of all of it."""
    parts = {key: value for key, value in data.items() if key != "digests"}
    texts = {key: canonical(part) for key, part in (*parts.items(), ("all", parts))}
    return {key: sha256(text.encode()).hexdigest() for key, text in texts.items()}


def _expect(where: str, value: Any, kind: Any) -> None:
    """Require str, int (from 0), Fraction ("n/d"), [kind], (kinds) or {key: kind}; None is any."""
    entries: Iterable[Any] = ()
    if isinstance(kind, dict):
        fits = type(value) is dict and kind.keys() == value.keys()
        entries = ((key, value[key], kind[key]) for key in kind)
    elif isinstance(kind, list | tuple):
        fits = type(value) is list and (type(kind) is list or len(kind) == len(value))
        entries = zip(count(), value, kind if type(kind) is tuple else cycle(kind), strict=False)
    elif kind is Fraction:
        pattern = "-?[0-9]{1,4000}(/[1-9][0-9]{0,3999})?"
        fits = type(value) is str and re.fullmatch(pattern, value) is not None
        fits = fits and str(Fraction(value)) == value
    else:
        fits = kind is None or (type(value) is kind and (kind is str or 0 <= value < 1 << 64))
    _require(fits, f"{where} has another form")
    for key, entry, own in entries:
        _expect(f"{where}.{key}", entry, own)


def _size(shape: Sequence[int]) -> int:
    _require(len(shape) <= 52 and max(prod(shape), *shape, 0) <= MAX_ENTRIES, TOO_LARGE)
    return prod(shape)


def _make_node(f: Data, nodes: list[Data]) -> Data:
    """The node with its shape; an einsum's also with tables of where its factors lie."""
    kind = f["primitive"]
    arity, fields = PRIMITIVES[kind]
    _expect("node", f, {"primitive": str, "operands": [int], **fields})
    shapes = [nodes[j]["shape"] for j in f["operands"]]
    _require(len(shapes) == arity, f"{kind} takes {arity} operands")
    if kind == "Einsum":
        return _make_product(f, *shapes)
    shape = tuple(f.get("shape", *shapes[:1]))
    _require(all(prod(own) == _size(shape) for own in shapes) and f.get("entry", -1) < prod(shape))
    _require(kind != "Add" or shapes[0] == shapes[1])
    _require(kind != "Constant" or sum(n for n, _ in f["runs"]) == _size(shape), "other entries")
    if kind == "Apply":
        name, order, is_known = f["function"], f["order"], f["function"] in RULES
        is_name = name.isidentifier() and is_normalized("NFKC", name)  # as Python reads names
        _require(is_name and order <= 1000 and f["parity"] in KINDS, "no function symbol")
        _require(not (is_known and (order or f["parity"])), f"{name} is a known function")
    return {**f, "shape": shape}


def _make_product(f: Data, *shapes: tuple[int, ...]) -> Data:
    _require(re.fullmatch(r"[a-zA-Z]*,[a-zA-Z]*->[a-zA-Z]*", f["subscripts"]), "bad subscripts")
    left, right, out = re.split(",|->", f["subscripts"])
    sizes = dict(zip(left + right, chain(*shapes), strict=True))
    summed = "".join(c for c in sizes if c not in out)
    _require(all(len({*labels}) == len(labels) for labels in (left, right, out)), "a label repeats")
    _require([tuple(sizes[c] for c in side) for side in (left, right)] == [*shapes])
    _require({*summed} <= {*left} & {*right}, "a label is summed over one operand alone")
    shape, tables = tuple(sizes[c] for c in out), []
    _require(_size(shape) * _size([sizes[c] for c in summed]) <= MAX_PRODUCTS, TOO_LARGE)
    for labels, side in product((out, summed), (left, right)):
        table = [0]
        for c in labels:
            stride = prod(sizes[d] for d in side.partition(c)[2]) if c in side else 0
            table = [place + stride * k for place in table for k in range(sizes[c])]
        tables.append(table)
    return {**f, "shape": shape, "tables": tables}


def _check_independent(vectors: list[Any], size: int) -> None:
    """Each vector has an entry that no other one has."""
    uses = Counter(k for vector in vectors for k, _ in vector)
    for vector in vectors:
        is_ordered = all(a[0] < b[0] for a, b in pairwise(vector))
        _require(is_ordered and all(k < size and v != "0" for k, v in vector), "entries of vectors")
        _require(any(uses[k] == 1 for k, _ in vector), "a vector without an entry of its own")


class Tensor(NamedTuple):
    """Residues in row-major order, and a weight for each of them as a polynomial."""

    values: list[int]
    weight: int


class Ring:
    """The residues modulo p, with random functions; notes the arguments that these meet."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        words = (int.from_bytes(blake2b(b"%d" % k, key=key).digest(), "big") for k in count())
        self.p = next(n for w in words if _is_prime(n := LOW | w % LOW))
        self.arguments, self.weight, self.denominator = 0, 0, 2

    def draw(self, *labels: Any) -> int:
        """A uniform residue that depends on the labels."""
        word = blake2b(repr(labels).encode(), key=self.key).digest()
        return int.from_bytes(word, "big") % self.p

    def number(self, text: str) -> tuple[int, int]:
        """An exact number: its residue and its weight."""
        exact = Fraction(text)
        self.denominator = lcm(self.denominator, exact.denominator)
        _require(self.denominator < MAX_DENOMINATOR, TOO_LARGE)
        residue = exact.numerator * pow(exact.denominator, -1, self.p) % self.p
        return residue, max(exact.numerator.bit_length(), 1)

    def combination(self, label: str, vectors: list[Any], size: int) -> Tensor:
        """The first of some sparse vectors, plus a uniform combination of the others."""
        values, terms, weight = [0] * size, Counter[int](), 1
        for j, vector in enumerate(vectors):
            factor = self.draw(label, j) if j else 1
            for k, text in vector:
                residue, own = self.number(text)
                values[k] = (values[k] + factor * residue) % self.p
                terms[k], weight = terms[k] + 1, max(weight, own)
        return Tensor(values, 1 + weight + max(terms.values(), default=0).bit_length())

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """a + b."""
        values = [(v + w) % self.p for v, w in zip(a.values, b.values, strict=True)]
        return Tensor(values, max(a.weight, b.weight) + 1)

    def multiply(self, a: Tensor, b: Tensor, tables: Sequence[Sequence[int]]) -> Tensor:
        """Sums of products of entries."""
        left, right, left_terms, right_terms = tables
        rows = {k: [a.values[k + s] for s in left_terms] for k in {*left}}
        columns = {k: [b.values[k + s] for s in right_terms] for k in {*right}}
        sums = (sum(map(mul, rows[i], columns[k])) for i, k in zip(left, right, strict=True))
        weight = a.weight + b.weight + len(left_terms).bit_length()
        return Tensor([v % self.p for v in sums], weight)

    def symbol(self, z: int, label: str) -> int:
        """A random function: odd, even or any, as its label says; free is odd except at 0."""
        kind, _, name = label.partition("_")
        _require(z or name != "reciprocal", "a divisor is 0 everywhere on the manifold")
        is_mirrored = kind != "any" and z > self.p // 2
        sign = -1 if is_mirrored and kind != "even" else int(kind != "odd" or z != 0)
        return sign * self.draw("symbol", kind, name, self.p - z if is_mirrored else z)

    def apply(self, f: Data, z: Tensor) -> tuple[Tensor, Tensor]:
        """The values of a function symbol and of its derivative."""
        self.arguments, self.weight = self.arguments + len(z.values), max(self.weight, z.weight)
        value, slope = (compile(text, "rule", "eval") for text in _rule(f))
        names, found = {*value.co_names, *slope.co_names}, dict[int, tuple[int, int]]()
        for v in {*z.values}:
            scope = {"z": v, "half": self.number("1/2")[0]}
            scope |= {name: self.symbol(v, name) for name in names - {"f", *scope}}
            scope["f"] = eval(value, {}, scope)
            found[v] = scope["f"] % self.p, eval(slope, {}, scope) % self.p
        weight = 5 + z.weight * ("z" in names)  # enough for each of the rules
        values, slopes = ([found[v][k] for v in z.values] for k in (0, 1))
        return Tensor(values, weight), Tensor(slopes, weight)

    def evaluate(self, f: Data, given: Iterable[Any], operands: list[Dual]) -> Dual:
        """Value and tangent of a node; for a parameter the next ones that are given."""
        own, tables = range(prod(f["shape"])), f.get("tables", ())
        value, tangent = operands[0] if operands else [Tensor([0] * len(own), 0)] * 2
        match f["primitive"], operands:
            case "Parameter", _:
                value, tangent = (Tensor([*islice(v, len(own))], w) for v, w in given)
            case "Input", _:
                value = Tensor([self.draw("input", f["name"], k) for k in own], 1)
            case "Constant", _:
                runs = [(n, *self.number(text)) for n, text in f["runs"]]
                values = [v for n, v, _ in runs for _ in range(n)]
                value = Tensor(values, max((w for _, _, w in runs), default=1))
            case "Add", [(a, da), (b, db)]:
                value, tangent = self.add(a, b), self.add(da, db)
            case "Einsum", [(a, da), (b, db)]:
                value = self.multiply(a, b, tables)
                tangent = self.add(self.multiply(da, b, tables), self.multiply(a, db, tables))
            case "Apply", [(z, dz)]:
                value, slope = self.apply(f, z)
                tangent = self.multiply(slope, dz, (own, own, [0], [0]))
            case "Hold", [(a, da)]:
                k, (number, weight) = f["entry"], self.number(f["value"])
                value = Tensor([*a.values[:k], number, *a.values[k + 1 :]], max(a.weight, weight))
                tangent = Tensor([*da.values[:k], 0, *da.values[k + 1 :]], da.weight)
        return value, tangent


def _rule(f: Data) -> tuple[str, str]:
    name, order = f["function"], f["order"]
    kinds = [KINDS[f["parity"]][(order + k) % 2] for k in (0, 1)]
    return RULES.get(name) or (f"{kinds[0]}_{name}_{order}", f"{kinds[1]}_{name}_{order + 1}")


def assumptions(data: Data) -> list[str]:
    """What a certificate takes for granted, in words, from its graph."""
    nodes, batch = data["graph"]["nodes"], data["batch"]
    rules = {_rule(f): f["function"] for f in nodes if "function" in f}
    held = [(k, f["entry"], f["value"]) for k, f in enumerate(nodes) if f["primitive"] == "Hold"]
    return [
        "hashes stand for random functions, and the certificate was not searched for",
        f"a batch has {batch} samples" if batch > 1 else "samples of a batch do not interact",
        "no divisor is 0, and 1/v is any odd function r(v) with derivative -r(v)^2",
        "odd_g, even_g, any_g and free_g (odd, but for its value at 0) are any such functions of z",
        *(f"{name}(z) is f = {f}, its derivative {d}" for (f, d), name in sorted(rules.items())),
        *(f"on the data entry {e} of node {k} is constantly {v}, its slope 0" for k, e, v in held),
    ]


def _is_prime(n: int) -> bool:
    """Miller and Rabin's test with 72 hashed bases, for n > 41."""
    s = ((n - 1) & (1 - n)).bit_length() - 1
    words = (blake2b(f"{n} {k}".encode()).digest() for k in range(72))
    bases = (2 + int.from_bytes(word, "big") % (n - 3) for word in words)
    powers = ([pow(a, (n - 1) >> k, n) for k in range(s, 0, -1)] for a in bases)
    return gcd(n, 304250263527210) == 1 and all(x[0] == 1 or n - 1 in x for x in powers)


def _prover_primes(seed: int, wanted: int) -> list[int]:
    found, k = list[int](), 0
    while len(found) < wanted:
        labels = [("prime", seed, PROVER_LOW, PROVER_HIGH, k, j) for j in (1, 0)]
        words = (blake2b(repr(own).encode(), digest_size=8).digest() for own in labels)
        n = int.from_bytes(b"".join(words), "little") % (PROVER_HIGH - PROVER_LOW) + PROVER_LOW
        k += 1
        if n not in found and _is_prime(n):
            found.append(n)
    return found


def _read_graph(graph: Data, batch: int) -> list[Data]:
    nodes: list[Data] = []
    for f in graph["nodes"]:
        nodes.append(_make_node(f, nodes))
    entries = sum(_size(f["shape"]) for f in nodes)
    work = sum(len(f["tables"][0]) * len(f["tables"][2]) for f in nodes if "tables" in f)
    _require(entries <= MAX_ENTRIES and work <= MAX_PRODUCTS, TOO_LARGE)
    names = [f["name"] for f in nodes if "name" in f]
    _require(len({*names}) == len(names), "a name repeats")
    batched = [f for f in nodes if f["primitive"] == "Input"] + [nodes[graph["output"]]]
    _require(all(f["shape"][0] == batch for f in batched), "axis 0 of data is the batch")
    return nodes


def _check_claim(data: Data, total: int) -> None:
    points, tangent, prover = data["points"], data["tangent"], data["prover"]
    _require(data["num_parameters"] == total, f"there are {total} parameters")
    for vectors in (points["vectors"], tangent["normals"], [v for v in [points["offset"]] if v]):
        _check_independent(vectors, total)
    dimensions = len(points["vectors"]), total - len(tangent["normals"])
    _require((points["dimension"], tangent["dimension"]) == dimensions, "other dimensions")
    _require(tangent["normals"], "the tangent space is everything")
    _require(data["assumptions"] == assumptions(data), "it makes other assumptions")
    _require(prover["method"] == METHOD and len(prover["primes"]) <= 64, "another method")
    found = _prover_primes(prover["seed"], len(prover["primes"]))
    _require(prover["primes"] == found, "not the primes of the seed")


def check(text: str, salt: str = "") -> Data:
    """The report on a certificate whose parts fit together and whose claim is true.

    Raises:
        RejectedError: if that is not so, or the error is larger than it claims.
        ValueError: if the text is no JSON.
    """
    data = json.loads(text)
    _expect("certificate", data, CERTIFICATE)
    _require(data["format"] == FORMAT and 0 < data["bits"] <= MAX_BITS, "unknown format")
    _require(canonical(data) + "\n" == text, "not in canonical form")
    _require(data["digests"] == digests(data), "a digest differs")
    try:
        nodes = _read_graph(data["graph"], data["batch"])
        total = sum(prod(f["shape"]) for f in nodes if f["primitive"] == "Parameter")
        _check_claim(data, total)
    except (IndexError, KeyError, TypeError, ValueError) as cause:
        raise RejectedError(f"its parts do not fit together: {cause!r:.200}") from None
    ring = Ring(sha256(f"{data['digests']['all']} {salt}".encode()).digest())
    vectors = [data["points"]["offset"], *data["points"]["vectors"]]
    point = ring.combination("point", vectors, total)
    normal = ring.combination("normal", [[], *data["tangent"]["normals"]], total)
    given = [(iter(tensor.values), tensor.weight) for tensor in (point, normal)]
    duals: list[Dual] = []
    for f in nodes:
        duals.append(ring.evaluate(f, given, [duals[j] for j in f["operands"]]))
    speed = duals[data["graph"]["output"]][1]
    _require(not any(speed.values), "a normal direction moves the output")
    weight = ring.arguments**2 * (ring.weight + 1) + speed.weight
    misses = weight * (2 + ring.denominator.bit_length()) + (1 << LOG_COUNT - 131)
    bits = LOG_COUNT - misses.bit_length()
    _require(bits >= data["bits"], f"the error may be 2^-{bits}, more than it claims")
    return {"verdict": "accepted", "bits": bits}


def main(arguments: Sequence[str]) -> int:
    """Check a file: status 0 if it checks, 1 if it is rejected, 2 if it is unusable."""
    try:
        with open(arguments[0], encoding="utf-8", newline="") as file:
            report, status = check(file.read(), *arguments[1:2]), 0
    except RejectedError as error:
        report, status = {"verdict": "rejected", "reason": str(error)}, 1
    except (OSError, ValueError, IndexError, RecursionError) as error:
        report, status = {"verdict": "unusable", "reason": str(error)}, 2
    sys.stdout.write(json.dumps(report) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
