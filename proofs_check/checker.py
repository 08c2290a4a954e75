"""Re-check a certificate of invariance with nothing but Python's standard library.

The claim: at every point of M, for all inputs and output adjoints, the gradient lies in the tangent
space T. With N the complement of T that says J n = 0 for all n in N: the network's output does not
move along normal directions, for ⟨Jᵀδ, n⟩ = ⟨δ, J n⟩. So nothing is differentiated backwards here.
The forward graph is evaluated in dual numbers a + ε b, at a uniform point of M and along a uniform
vector of N, and every output must have b = 0.

Numbers are residues modulo m = p₁ … p_t, distinct random primes of 64 bits. Function symbols are
random functions of the whole residue with algebraic derivatives, 1/v among them. With S the number
of their arguments, δ and G degree and l1 norm of a difference of two of them, D and H those of an
output's tangent, and N the number of primes in the window,

    error ≤ S² (δ/p + log G / (N log p))ᵗ + (D/p + log H / (N log p))ᵗ + 2⁻¹⁶⁰

(Schwartz 1980, Zippel 1979; Gulwani and Necula 2005); 2⁻¹⁶⁰ is for hashes of 512 bits that are
reduced modulo m. Everything is drawn from a hash of the certificate and of a salt. An author who
foresees the salt has as many attempts at a false claim as certificates he tries.

Run: python checker.py FILE [SALT]
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import reduce
from hashlib import blake2b, sha256
from itertools import accumulate, chain, count, pairwise, product
from math import lcm, prod
from operator import add, mul, neg, sub
from typing import Any, NamedTuple

FORMAT, VERSION = "lop-certificate", 1
METHOD = "the gradient graph along generic normal vectors vanishes in random prime fields"
MAX_BITS, MAX_COMPONENTS, MAX_AXES, MAX_EXPONENT = 128, 5, 8, 64
MAX_ENTRIES, MAX_PRODUCTS, MAX_INTEGER = 1 << 22, 1 << 27, 1 << (1 << 16)
LOG_LOW, LOG_COUNT = 63, 56  # [2⁶³, 2⁶⁴) holds over 2⁵⁶ primes: Rosser and Schoenfeld 1962, (3.8)
WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)  # decide primality below 2⁶⁴
REDRAWS = 5  # of the prover's primes, where it met a divisor that was 0 by accident
RULES = {  # the value f and the derivative at z, both as they are evaluated and as they are stated
    "tanh": ("odd_tanh", "one - f * f"),
    "sigmoid": ("half + odd_sigmoid", "f * (one - f)"),
    "softplus": ("half * z + even_softplus", "half + odd_sigmoid"),
    "silu": ("z * (half + odd_sigmoid)", "half + odd_sigmoid + f * (half - odd_sigmoid)"),
    "exp": ("any_exp", "f"),
    "log": ("any_log", "odd_reciprocal"),
    "sqrt": ("any_sqrt", "half * f * odd_reciprocal"),
    "rsqrt": ("any_rsqrt", "-half * f * odd_reciprocal"),
    "reciprocal": ("odd_reciprocal", "-f * f"),
    "step": ("half + free_step", "zero"),
    "relu": ("z * (half + free_step)", "half + free_step"),
    "leaky_relu": (
        "z * (half + free_step + slope * (half - free_step))",
        "half + free_step + slope * (half - free_step)",
    ),
    "normal_cdf": ("half + odd_normal_cdf", "even_normal_pdf"),
    "normal_pdf": ("even_normal_pdf", "-z * f"),
    "gelu": ("z * (half + odd_normal_cdf)", "half + odd_normal_cdf + z * even_normal_pdf"),
}
COMPILED = {name: [compile(text, name, "eval") for text in rule] for name, rule in RULES.items()}
BINARY, GATHERS = (
    ("Add", "Subtract", "Multiply", "Divide"),
    ("Broadcast", "Transpose", "Take", "Reshape"),
)
SYMBOL = {"name": str, "order": int, "parity": None, "slope": None}
FIELDS: dict[str, dict[str, Any]] = {
    **{name: {"name": str, "shape": [int]} for name in ("Parameter", "Input")},
    **{name: {} for name in (*BINARY, "Negative")},
    **{name: {"shape": [int]} for name in ("Broadcast", "Reshape")},
    "Constant": {"values": [Fraction], "shape": [int]},
    "Power": {"exponent": int},
    "Apply": {"activation": SYMBOL},
    "Einsum": {"subscripts": str},
    "Sum": {"axes": [int]},
    "Transpose": {"permutation": [int]},
    "Take": {"axis": int, "indices": [int]},
    "Scatter": {"axis": int, "indices": [int], "size": int},
    "Concatenate": {"axis": int},
}
VECTORS = [{"entries": [int], "values": [Fraction]}]
MANIFOLD = {
    "name": str,
    "dimension": int,
    "axes": [{"size": int, "kept": VECTORS, "rest": VECTORS}],
    "parts": [{"axes": [int], "patterns": [str]}],
    "offset": VECTORS,
}
PARAMETERS, OUTPUTS = [{"name": str, "axes": [str]}], [{"name": str, "node": int}]
PRIMES = {"method": str, "seed": int, "window": [int], "primes": [int]}
CERTIFICATE: dict[str, Any] = {
    "format": str,
    "version": int,
    "bits": int,
    "batch": int,
    "num_parameters": int,
    "points": MANIFOLD,
    "tangent": MANIFOLD,
    "assumptions": [str],
    "digests": None,
    "network": {"name": str, "sizes": None, "parameters": PARAMETERS},
    "graph": {"format": str, "version": int, "nodes": [None], "outputs": OUTPUTS},
    "frozen": [{"node": int, "axis": int, "unit": int, "value": Fraction}],
    "prover": {**PRIMES, "degree": int, "arguments": int, "argument_degree": int},
}
MISFIT = (IndexError, KeyError, TypeError, ValueError)
Data = dict[str, Any]
Shape = Sequence[int]


class RejectedError(Exception):
    """The certificate does not check."""


class UnusableError(Exception):
    """The file holds no JSON."""


def _require(condition: object, message: str = "does not fit its operands") -> None:
    if not condition:
        raise RejectedError(message)


def canonical(value: Any) -> str:
    """The one text of JSON data: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digests(data: Data) -> dict[str, str]:
    """SHA-256 of the canonical texts of a certificate's parts, and of all of it."""
    parts = {key: value for key, value in data.items() if key != "digests"}
    texts = {**{key: canonical(value) for key, value in parts.items()}, "all": canonical(parts)}
    return {key: sha256(text.encode()).hexdigest() for key, text in texts.items()}


def _expect(where: str, value: Any, kind: Any) -> None:
    """Require str, int (from 0), Fraction ("n/d"), [kind] or {key: kind}; None is anything."""
    if isinstance(kind, list):
        _require(type(value) is list, f"{where} is no list")
        for k, entry in enumerate(value):
            _expect(f"{where}[{k}]", entry, kind[0])
    elif isinstance(kind, dict):
        _require(type(value) is dict, f"{where} is no object")
        odd = min(kind.keys() ^ value.keys(), default=None)
        _require(odd is None, f"{where}: field {odd!r:.60} is missing or unknown")
        for key in kind:
            _expect(f"{where}.{key}", value[key], kind[key])
    elif kind is Fraction:
        written = type(value) is str and re.fullmatch(r"-?[0-9]{1,4000}(/[0-9]{1,4000})?", value)
        is_finite = written and int(value.partition("/")[2] or 1)
        _require(is_finite and str(Fraction(value)) == value, f"{where} is no rational number")
    elif kind is not None:
        is_small = type(value) is not int or 0 <= value < 1 << 64
        _require(type(value) is kind and is_small, f"{where} is no {kind.__name__} allowed here")


def _count(shape: Shape) -> int:
    is_small = len(shape) <= 32 and max(shape, default=0) <= MAX_ENTRIES
    _require(is_small and prod(shape) <= MAX_ENTRIES, "too large to be re-checked")
    return prod(shape)


def _steps(shape: Shape) -> list[list[int]]:
    """For every axis the places of its entries in row-major order."""
    strides = [prod(shape[k + 1 :]) for k in range(len(shape)) if _count(shape) >= 0]
    return [[s * i for i in range(n)] for s, n in zip(strides, shape, strict=True)]


def _table(steps: Iterable[Sequence[int]]) -> list[int]:
    """All sums of one step an axis, in row-major order."""
    return reduce(lambda found, own: [a + b for a in found for b in own], steps, [0])


def _with(values: Sequence[Any], k: int, value: Any) -> list[Any]:
    return [*values[:k], value, *values[k + 1 :]]


class Node(NamedTuple):
    """A primitive, its shape, the tables by which it moves entries, its number of products."""

    kind: str
    fields: Data
    shape: Shape
    tables: list[list[int]]
    products: int


def _make_node(f: Data, nodes: list[Node]) -> Node:
    kind, shapes = f["primitive"], [nodes[j].shape for j in f["operands"] if j >= 0]
    _require(kind in FIELDS, f"unknown primitive {kind!r:.60}")
    _expect("it", f, {"primitive": str, "operands": [int], **FIELDS[kind]})
    arity = 0 if kind in ("Parameter", "Input", "Constant") else 1 + (kind in (*BINARY, "Einsum"))
    _require(len(shapes) == arity or (kind == "Concatenate" and shapes), "bad operands")
    own: Shape = shapes[0] if shapes else ()
    shape: Shape = f.get("shape", own)
    axis, indices, steps = f.get("axis", 0), f.get("indices", []), _steps(own)
    moves: list[list[Sequence[int]]] = []
    match kind:
        case "Einsum":
            return _make_product(f, shapes)
        case "Reshape":
            _require(_count(shape) == prod(own))
            moves = [[range(prod(own))]]
        case "Broadcast":
            wide = [[0]] * (len(shape) - len(own)) + steps if _count(shape) >= 0 else []
            moves = [[s if len(s) == n else s * n for s, n in zip(wide, shape, strict=True)]]
            _require([len(s) for s in moves[0]] == shape)
        case "Transpose":
            _require(sorted(f["permutation"]) == [*range(len(own))])
            moves = [[steps[k] for k in f["permutation"]]]
            shape = [len(s) for s in moves[0]]
        case "Take":
            moves = [_with(steps, axis, [steps[axis][k] for k in indices])]
            shape = [len(s) for s in moves[0]]
        case "Sum":
            axes = f["axes"]
            _require(len({*axes}) == len(axes) and {*axes} <= {*range(len(own))})
            shape = [n for k, n in enumerate(own) if k not in axes]
            steps = _steps([1 if k in axes else n for k, n in enumerate(own)])
            moves = [[s * own[k] if k in axes else s for k, s in enumerate(steps)]]
        case "Scatter" | "Concatenate":
            lengths = [s[axis] for s in shapes]
            _require(len({(*_with(s, axis, 0),) for s in shapes}) == 1)
            shape = _with(own, axis, f.get("size", sum(lengths)))
            steps, starts = _steps(shape), [*accumulate(lengths, initial=0)]
            places = [range(a, a + n) for a, n in zip(starts, lengths, strict=False)]
            _require(kind == "Concatenate" or len(indices) == own[axis])
            for own_places in places if kind == "Concatenate" else [indices]:
                moves.append(_with(steps, axis, [steps[axis][k] for k in own_places]))
        case "Apply":
            _check_symbol(**f["activation"])
    _require(kind not in BINARY or shapes[0] == shapes[1])
    _require(kind != "Constant" or len(f["values"]) == _count(shape), "its values do not fill it")
    _require(2 <= f.get("exponent", 2) <= MAX_EXPONENT, f"an exponent is in 2..{MAX_EXPONENT}")
    entries = _count(shape)
    return Node(kind, f, (*shape,), [_table(steps) for steps in moves], entries)


def _make_product(f: Data, shapes: list[Shape]) -> Node:
    _require(re.fullmatch(r"[a-zA-Z]*,[a-zA-Z]*->[a-zA-Z]*", f["subscripts"]), "bad subscripts")
    *sides, out = re.split(",|->", f["subscripts"])
    _require(all(len({*labels}) == len(labels) for labels in (*sides, out)), "a label repeats")
    named = [dict(zip(s, own, strict=True)) for s, own in zip(sides, shapes, strict=True)]
    sizes = named[0] | named[1]
    _require(sizes == named[1] | named[0] and {*out} <= {*sizes})
    summed = [c for c in sizes if c not in out]
    _require({*summed} <= {*sides[0]} & {*sides[1]}, "a label is summed over one operand alone")
    shape = (*(sizes[c] for c in out),)
    products = _count(shape) * prod(sizes[c] for c in summed)
    _require(products <= MAX_PRODUCTS, "too large to be re-checked")
    steps = [dict(zip(own, _steps([*own.values()]), strict=True)) for own in named]
    pairs = product((out, summed), steps)
    tables = [_table(s.get(c, [0] * sizes[c]) for c in labels) for labels, s in pairs]
    return Node("Einsum", f, shape, tables, products)


def _check_symbol(name: str, order: int, parity: Any, slope: Any) -> None:
    _require(name.isidentifier() and order <= 1000, "no function symbol")
    _require(parity in (None, "odd", "even"), "unknown parity")
    _require(not (name in RULES and (order or parity)), f"{name} is a known function")
    _require((slope is not None) == (name == "leaky_relu"), "slopes are for leaky_relu")
    _expect("slope", slope, slope and Fraction)


class Size(NamedTuple):
    """Of an integer polynomial over an integer: its degree, log2 of its l1 norm, the integer."""

    degree: int
    norm: int = 0
    over: int = 1

    def __add__(self, other: Any) -> "Size":
        return _common([self, other])._replace(norm=_common([self, other]).norm + 1)

    def __mul__(self, other: Any) -> "Size":
        q = self.over * other.over
        _require(q < MAX_INTEGER and self.norm + other.norm < 1 << 40, "too large to be re-checked")
        return Size(self.degree + other.degree, self.norm + other.norm, q)

    def __neg__(self) -> "Size":
        return self

    def __sub__(self, other: "Size") -> "Size":
        return self + other


def _bits(n: int) -> int:
    return max(n - 1, 0).bit_length()


def _size_of(numbers: Sequence[Fraction]) -> Size:
    q = lcm(*(v.denominator for v in numbers))
    return Size(0, max((_bits(int(abs(v) * q)) for v in numbers), default=0), q)


def _common(sizes: Sequence[Size]) -> Size:
    """One size for all, over one integer."""
    q = lcm(*(s.over for s in sizes))
    norm = max(s.norm + _bits(q // s.over) for s in sizes)
    return Size(max(s.degree for s in sizes), norm, q)


class Tensor(NamedTuple):
    """Residues in row-major order, and the size of all of them as polynomials."""

    values: list[int]
    size: Size


Dual = tuple[Tensor, Tensor | None]  # value and tangent, None for 0


class Ring:
    """The residues modulo m, with random functions; notes the arguments that these meet."""

    def __init__(self, key: bytes, modulus: int) -> None:
        self.key, self.m = key, modulus
        self.met: list[tuple[int, Size]] = []

    def draw(self, *labels: Any) -> int:
        """A uniform residue that depends on the labels."""
        word = blake2b(repr(labels).encode(), key=self.key).digest()
        return int.from_bytes(word, "big") % self.m

    def residue(self, number: Fraction) -> int:
        """The residue of a number."""
        return number.numerator * pow(number.denominator, -1, self.m) % self.m

    def map(self, f: Callable[..., Any], *tensors: Tensor) -> Tensor:
        """A polynomial of entries."""
        entries = zip(*(t.values for t in tensors), strict=True)
        return Tensor([f(*e) % self.m for e in entries], f(*(t.size for t in tensors)))

    def numbers(self, texts: Sequence[str]) -> Tensor:
        """Exact numbers."""
        exact = [*map(Fraction, texts)]
        return Tensor([*map(self.residue, exact)], _size_of(exact))

    def total(self, tensors: Sequence[Tensor | None]) -> Tensor | None:
        """The sum of those that are not 0."""
        terms = [t for t in tensors if t]
        return reduce(lambda a, b: self.map(add, a, b), terms) if terms else None

    def move(self, node: Node, tensors: list[Tensor | None]) -> Tensor | None:
        """Entries brought to other places, and summed where they meet."""
        given = [(t, table) for t, table in zip(tensors, node.tables, strict=True) if t]
        if not given:
            return None
        if node.kind in GATHERS:
            return Tensor([given[0][0].values[k] for k in given[0][1]], given[0][0].size)
        out = [0] * prod(node.shape)
        for tensor, table in given:
            for k, v in zip(table, tensor.values, strict=True):
                out[k] += v
        most = max(Counter(chain(*(table for _, table in given))).values(), default=0)
        size = reduce(add, (tensor.size for tensor, _ in given))
        return Tensor([v % self.m for v in out], size * Size(0, _bits(most)))

    def multiply(self, node: Node, a: Tensor, b: Tensor) -> Tensor:
        """A sum of products."""
        if node.kind != "Einsum":
            return self.map(mul, a, b)
        left, right, left_terms, right_terms = node.tables
        rows = {k: [a.values[k + s] for s in left_terms] for k in {*left}}
        columns = {k: [b.values[k + s] for s in right_terms] for k in {*right}}
        sums = (sum(map(mul, rows[i], columns[k])) for i, k in zip(left, right, strict=True))
        size = a.size * b.size * Size(0, _bits(len(left_terms)))
        return Tensor([v % self.m for v in sums], size)

    def symbol(self, z: int, kind: str, *name: Any) -> int:
        """A random function; free is odd but for its value at 0."""
        _require(z or name != ("reciprocal",), "a divisor is 0 everywhere on the manifold")
        if kind == "odd" and not z:
            return 0
        is_negative = kind != "any" and z > self.m // 2
        value = self.draw("symbol", kind, *name, self.m - z if is_negative else z)
        return -value if is_negative and kind != "even" else value

    def apply(self, symbol: Data, z: Tensor) -> tuple[Tensor, Tensor]:
        """The values of a function symbol and of its derivative."""
        self.met.append((len(z.values), z.size))
        rows = {v: _rule(symbol, v, self.residue, self.symbol) for v in {*z.values}}
        sizes = _rule(symbol, z.size, lambda v: _size_of([v]), lambda *_: Size(1))
        values = [[rows[v][k] % self.m for v in z.values] for k in (0, 1)]
        return Tensor(values[0], sizes[0]), Tensor(values[1], sizes[1])


class Scope(dict[str, Any]):
    """The names in a rule; odd_tanh and the like are drawn when they are read."""

    def __missing__(self, label: str) -> Any:
        kind, _, name = label.partition("_")
        return self["draw"](self["z"], kind, name)


def _rule(symbol: Data, z: Any, number: Callable[[Fraction], Any], draw: Any) -> tuple[Any, Any]:
    name, order, parity = symbol["name"], symbol["order"], symbol["parity"]
    if name not in RULES:
        kinds = {None: ["any"] * 2, "odd": ["odd", "even"], "even": ["even", "odd"]}[parity]
        value, slope = (draw(z, kinds[(order + k) % 2], name, order + k, parity) for k in (0, 1))
        return value, slope
    fixed = {"zero": 0, "one": 1, "half": Fraction(1, 2), "slope": symbol["slope"] or 0}
    scope = Scope({key: number(Fraction(v)) for key, v in fixed.items()}, z=z, draw=draw)
    scope["f"] = eval(COMPILED[name][0], {}, scope)
    return scope["f"], eval(COMPILED[name][1], {}, scope)


def _split(axis: Data) -> dict[str, list[list[tuple[int, Fraction]]]]:
    """Terms of every unit in coordinates of the kept part, C, and of the rest, Z, of an axis.

    Units that no vector mentions are kept. The two parts are orthogonal, and together everything,
    for every vector has an entry that no other one of its part has.
    """
    vectors = {"C": axis["kept"], "Z": axis["rest"]}
    bound = {k for v in (*axis["kept"], *axis["rest"]) for k in v["entries"]}
    _require(all(k < axis["size"] for k in bound), "an entry outside of its axis")
    _require(len(vectors["C"]) + len(vectors["Z"]) == len(bound), "parts that are no complements")
    free = sorted({*range(axis["size"])} - bound)
    terms: dict[str, list[list[tuple[int, Fraction]]]] = {}
    for part, own in vectors.items():
        terms[part] = [[] for _ in range(axis["size"])]
        for j, vector in enumerate(own):
            _require(_is_sparse(vector), "entries in order, one non-zero value for each")
            for k, v in zip(vector["entries"], vector["values"], strict=True):
                terms[part][k].append((j, Fraction(v)))
        alone = {row[0][0] for row in terms[part] if len(row) == 1}
        _require(len(alone) == len(own), "a vector without an entry of its own")
    for j, vector in enumerate(vectors["Z"]):
        inner = Counter[int]()
        for k, v in zip(vector["entries"], vector["values"], strict=True):
            inner.update({i: Fraction(v) * c for i, c in terms["C"][k]})
        _require(
            not any(inner.values()), f"vector {j} of the rest is not orthogonal to the kept part"
        )
    for j, k in enumerate(free, len(vectors["C"])):
        terms["C"][k].append((j, Fraction(1)))
    return terms


def _is_sparse(vector: Data) -> bool:
    entries, values = vector["entries"], vector["values"]
    is_ordered = all(a < b for a, b in pairwise(entries))
    return is_ordered and len(values) == len(entries) > 0 and "0" not in values


class Manifold:
    """Parts whose tensors are sums of products of kept (C) and other (Z) vectors, one an axis."""

    def __init__(self, data: Data, num_parameters: int) -> None:
        self.data, self.splits, total, dimension = data, [*map(_split, data["axes"])], 0, 0
        for part in data["parts"]:
            axes = [data["axes"][k] for k in part["axes"]]
            total += prod(axis["size"] for axis in axes)
            _require(part["patterns"] == sorted({*part["patterns"]}), "patterns out of order")
            for pattern in part["patterns"]:
                _require(len(pattern) == len(axes) <= MAX_AXES and not {*pattern} - {*"CZ"})
                rest = [len(axis["rest"]) for axis in axes]
                counts = zip(pattern, axes, rest, strict=True)
                dimension += prod(n if c == "Z" else axis["size"] - n for c, axis, n in counts)
        _require(total == num_parameters, "parts that are not the parameters")
        _require(dimension == data["dimension"], f"its dimension is {dimension}")
        bound = [k for vector in data["offset"] for k in vector["entries"]]
        _require(len(data["offset"]) <= 1 and all(map(_is_sparse, data["offset"])), "bad offset")
        _require(all(k < total for k in bound), "an offset without a parameter")

    def vector(self, ring: Ring, is_normal: bool) -> Tensor:
        """A uniform point, or a uniform normal vector."""
        flat: list[int] = []
        sizes = [Size(1), *(_size_of([*map(Fraction, v["values"])]) for v in self.data["offset"])]
        for p, part in enumerate(self.data["parts"]):
            axes = [self.data["axes"][k] for k in part["axes"]]
            shape, total = [axis["size"] for axis in axes], [0] * prod(a["size"] for a in axes)
            for pattern in map("".join, product("CZ", repeat=len(shape))):
                if (pattern in part["patterns"]) == is_normal:
                    continue
                own = [ring.draw("vector", is_normal, p, pattern, k) for k in range(prod(shape))]
                size = Size(1)
                for k, letter in enumerate(pattern):
                    terms, stride = self.splits[part["axes"][k]][letter], prod(shape[k + 1 :])
                    numbers = [v for row in terms for _, v in row]
                    most = _bits(max(map(len, terms)))
                    size = size * _size_of(numbers) * Size(0, most)
                    rows = [[(j * stride, ring.residue(v)) for j, v in row] for row in terms]
                    starts = product(range(0, len(own), shape[k] * stride), rows, range(stride))
                    own = [sum(v * own[a + j + i] for j, v in row) % ring.m for a, row, i in starts]
                total = [*map(add, total, own)]
                sizes.append(size)
            flat += total
        for offset in [] if is_normal else self.data["offset"]:
            for k, v in zip(offset["entries"], offset["values"], strict=True):
                flat[k] += ring.residue(Fraction(v))
        return Tensor(
            [v % ring.m for v in flat],
            Size(1, _common(sizes).norm + MAX_AXES + 1, _common(sizes).over),
        )


def _evaluate(data: Data, nodes: list[Node], ring: Ring, given: dict[str, Dual]) -> list[Dual]:
    """Value and tangent of every node."""
    duals: list[Dual] = []
    for number, node in enumerate(nodes):
        kind, f, n = node.kind, node.fields, prod(node.shape)
        values = [duals[j][0] for j in f["operands"]]
        tangents = [duals[j][1] for j in f["operands"]]
        tangent: Tensor | None = None
        match kind:
            case "Parameter":
                value, tangent = given[f["name"]]
            case "Input":
                drawn = [ring.draw("input", f["name"], k) for k in range(n)]
                value = Tensor(drawn, Size(1))
            case "Constant":
                value = ring.numbers(f["values"])
            case "Add" | "Subtract":
                value = ring.map(add if kind == "Add" else sub, *values)
                if tangents[1] and kind == "Subtract":
                    tangents[1] = ring.map(neg, tangents[1])
                tangent = ring.total(tangents)
            case "Negative":
                value, tangent = ring.map(neg, *values), tangents[0] and ring.map(neg, tangents[0])
            case "Multiply" | "Einsum" | "Divide":
                if kind == "Divide":
                    values[1], tangents[1] = _inverse(nodes, ring, f["operands"][1], duals)
                (a, b), (da, db) = values, tangents
                value = ring.multiply(node, a, b)
                terms = [da and ring.multiply(node, da, b), db and ring.multiply(node, a, db)]
                tangent = ring.total(terms)
            case "Power":
                times = f["exponent"]
                value = ring.map(lambda z, n=times: reduce(mul, [z] * n), values[0])
                slope = ring.map(lambda z, n=times: reduce(mul, [z] * (n - 1)), values[0])
                terms = [tangents[0] and ring.map(mul, slope, tangents[0])]
                tangent = ring.total(terms * times)
            case "Apply":
                value, slope = ring.apply(f["activation"], values[0])
                tangent = tangents[0] and ring.map(mul, slope, tangents[0])
                for unit in (u for u in data["frozen"] if u["node"] == number):
                    held = [unit["unit"] == k for k in range(node.shape[unit["axis"]])]
                    steps = [[False] * m for m in node.shape]
                    is_held = _table(_with(steps, unit["axis"], held))
                    fixed = ring.numbers([unit["value"]])
                    value = _override(value, is_held, fixed)
                    tangent = tangent and _override(tangent, is_held, ring.numbers(["0"]))
            case _:
                value = ring.move(node, [*values]) or values[0]
                tangent = ring.move(node, tangents)
        duals.append((value, tangent))
    return duals


def _override(tensor: Tensor, is_held: list[int], fixed: Tensor) -> Tensor:
    pairs = zip(tensor.values, is_held, strict=True)
    values = [fixed.values[0] if held else v for v, held in pairs]
    return Tensor(values, _common([tensor.size, fixed.size]))


def _inverse(nodes: list[Node], ring: Ring, k: int, duals: list[Dual]) -> Dual:
    """1/v exactly for numbers, otherwise as a random function of v."""
    value, tangent = duals[k]
    while nodes[k].kind in GATHERS:
        k = nodes[k].fields["operands"][0]
    if nodes[k].kind == "Constant":
        exact = [1 / Fraction(v) for v in nodes[k].fields["values"]]
        return Tensor([pow(v, -1, ring.m) for v in value.values], _size_of(exact)), None
    symbol = {"name": "reciprocal", "order": 0, "parity": None, "slope": None}
    found, slope = ring.apply(symbol, value)
    return found, tangent and ring.map(mul, slope, tangent)


def assumptions(data: Data) -> list[str]:
    """What a certificate takes for granted, in words, from its graph."""
    nodes, batch = data["graph"]["nodes"], data["batch"]
    symbols = {canonical(f["activation"]): f["activation"] for f in nodes if "activation" in f}
    found = ["hashes stand for random functions, and the certificate was not searched for"]
    found.append(
        f"a batch has {batch} samples"
        if batch > 1
        else "a batch is one sample, or its samples do not interact"
    )
    found.append("no divisor is 0, and 1/v is any odd function r(v) with derivative -r(v)^2")
    for text, s in sorted(symbols.items()):
        if s["name"] in RULES:
            value, slope = RULES[s["name"]]
            at = f" with slope = {s['slope']}" if s["slope"] else ""
            found.append(
                f"{s['name']}(z){at} is f = {value}, its derivative is {slope}, where odd_g, "
                "even_g, any_g and free_g (odd, but for its value at 0) are any such functions of z"
            )
        else:
            found.append(f"{text} is the derivative of that order of any smooth function")
    for u in data["frozen"]:
        place = f"unit {u['unit']} on axis {u['axis']} of node {u['node']}"
        found.append(f"on the data {place} is constantly {u['value']}, with derivative 0")
    return found


def _is_prime(n: int) -> bool:
    """Miller and Rabin's test, for n between 64 and 2⁶⁴."""
    s = ((n - 1) & (1 - n)).bit_length() - 1
    powers = [[pow(a, (n - 1) >> k, n) for k in range(s, -1, -1)] for a in WITNESSES]
    return n % 2 == 1 and all(x[0] == 1 or n - 1 in x[:-1] for x in powers)


def _primes(candidates: Iterable[int], wanted: int) -> list[int]:
    found: dict[int, None] = {}
    for n in candidates:
        if len(found) == wanted:
            break
        if _is_prime(n):
            found[n] = None
    return [*found]


def _prover_primes(seed: int, window: list[int], wanted: int) -> list[int]:
    def word(*labels: Any) -> int:
        digest = blake2b(repr(("prime", seed, *window, *labels)).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little")

    low, high = window
    _require(64 <= low < high < 1 << 64 and wanted <= 64, "a window without primes")
    draws = (low + (word(k, 0) << 64 | word(k, 1)) % (high - low) for k in range(1 << 16))
    return _primes(draws, wanted)


def _unique(pairs: list[tuple[str, Any]]) -> Data:
    _require(len({key for key, _ in pairs}) == len(pairs), "a key repeats")
    return dict(pairs)


class Certificate:
    """A certificate whose parts fit together; whether its claim is true is not yet checked."""

    def __init__(self, text: str) -> None:
        try:
            self.data = data = json.loads(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise UnusableError(f"no JSON: {error}") from None
        _expect("certificate", data, CERTIFICATE)
        _require((data["format"], data["version"]) == (FORMAT, VERSION), "unknown format")
        _require(canonical(data) + "\n" == text, "not in canonical form")
        _require(data["digests"] == digests(data), "a digest differs")
        _require(0 < data["bits"] <= MAX_BITS, f"bits are in 1..{MAX_BITS}")
        try:
            self._read_graph(data)
            self._read_claim(data)
        except MISFIT as error:
            raise RejectedError(f"its parts do not fit together: {error!r:.200}") from None

    def _read_graph(self, data: Data) -> None:
        graph, self.nodes = data["graph"], list[Node]()
        _require((graph["format"], graph["version"]) == ("lop-graph", 1), "unknown graph format")
        for k, f in enumerate(graph["nodes"]):
            try:
                self.nodes.append(_make_node(f, self.nodes))
            except (RejectedError, *MISFIT) as error:
                raise RejectedError(f"nodes[{k}]: {error}") from None
        work = [sum(prod(n.shape) for n in self.nodes), sum(n.products for n in self.nodes)]
        _require(work[0] <= MAX_ENTRIES and work[1] <= MAX_PRODUCTS, "too large to be re-checked")
        is_y = [o["name"] for o in graph["outputs"]] == ["y"]
        _require(is_y and graph["outputs"][0]["node"] < len(self.nodes), "the output is y")
        self.output: int = graph["outputs"][0]["node"]
        used = {j for f in graph["nodes"] for j in f["operands"]} | {self.output}
        _require(used == {*range(len(self.nodes))}, "a node without a use")
        leaves = [n for n in self.nodes if n.kind in ("Parameter", "Input")]
        self.shapes = {n.fields["name"]: n.shape for n in leaves if n.kind == "Parameter"}
        _require(len({n.fields["name"] for n in leaves}) == len(leaves), "a name repeats")
        firsts = [n.shape[:1] for n in [*leaves, self.nodes[self.output]] if n.kind != "Parameter"]
        _require({*firsts} == {(data["batch"],)}, "axis 0 of inputs and output is the batch")

    def _read_claim(self, data: Data) -> None:
        sizes, parameters = data["network"]["sizes"], data["network"]["parameters"]
        _expect("network.sizes", sizes, dict.fromkeys(sizes, int))
        self.names = [p["name"] for p in parameters]
        shapes = {p["name"]: (*(sizes.get(a) for a in p["axes"]),) for p in parameters}
        _require(shapes == self.shapes and len(shapes) == len(parameters), "other parameters")
        total = sum(map(prod, shapes.values()))
        _require(data["num_parameters"] == total, f"there are {total} parameters")
        self.points, self.tangent = (Manifold(data[k], total) for k in ("points", "tangent"))
        _require(data["tangent"]["offset"] == [], "a tangent space contains 0")
        _require(data["tangent"]["dimension"] < total, "the tangent space is everything")
        for k, unit in enumerate(data["frozen"]):
            node = self.nodes[unit["node"]] if unit["node"] < len(self.nodes) else self.nodes[0]
            fits = node.kind == "Apply" and unit["axis"] < len(node.shape)
            _require(fits and unit["unit"] < node.shape[unit["axis"]], f"frozen[{k}]: no such unit")
        _require(data["assumptions"] == assumptions(data), "other assumptions than it makes")
        found = data["prover"]
        seeds = range(found["seed"], found["seed"] + REDRAWS)
        known = [_prover_primes(s, found["window"], len(found["primes"])) for s in seeds]
        _require(found["method"] == METHOD and found["primes"] in known, "not the prover's primes")

    def check(self, salt: str = "") -> Data:
        """Evaluate the claim; the report says with which error it holds.

        Raises:
            RejectedError: if the claim is false, or the error claimed is out of reach.
        """
        key = sha256(f"{self.data['digests']['all']} {salt}".encode()).digest()
        for t in range(1, MAX_COMPONENTS + 1):
            words = (blake2b(repr(("prime", k)).encode(), key=key).digest() for k in count())
            window = (1 << LOG_LOW | int.from_bytes(w, "big") % (1 << LOG_LOW) for w in words)
            ring = Ring(key, prod(_primes(window, t)))
            try:
                output = self._output(ring)
            except (ValueError, ZeroDivisionError):
                raise RejectedError("undefined: a divisor is 0, or a denominator is so") from None
            size = output.size if output else Size(0)
            _require(not output or not any(output.values), "a normal direction moves the output")
            arguments = sum(n for n, _ in ring.met)
            meeting = _common([Size(0), *(s for _, s in ring.met)])
            error = arguments**2 * _miss(meeting + meeting) ** t + _miss(size) ** t
            error += Fraction(1, 1 << 160)
            if error * (1 << self.data["bits"]) <= 1:
                bits = (error.denominator // error.numerator).bit_length() - 1
                figures = {"arguments": arguments, "degree": size.degree, "components": t}
                return {"verdict": "accepted", "bits": bits, **figures}
        raise RejectedError(f"an error of 2^-{self.data['bits']} cannot be reached")

    def _output(self, ring: Ring) -> Tensor | None:
        point, normal = self.points.vector(ring, False), self.tangent.vector(ring, True)
        given: dict[str, Dual] = {}
        start = 0
        for name in self.names:
            stop = start + prod(self.shapes[name])
            own = (Tensor(v.values[start:stop], v.size) for v in (point, normal))
            given[name], start = (next(own), next(own)), stop
        return _evaluate(self.data, self.nodes, ring, given)[self.output][1]


def _miss(size: Size) -> Fraction:
    """The chance that a non-zero polynomial comes out as zero modulo one prime, at most."""
    return Fraction(size.degree, 1 << LOG_LOW) + Fraction(size.norm // LOG_LOW, 1 << LOG_COUNT)


def main(arguments: Sequence[str]) -> int:
    """Check a file: status 0 if it checks, 1 if it is rejected, 2 if it is unusable."""
    try:
        with open(arguments[0], encoding="utf-8", newline="") as file:
            report, status = Certificate(file.read()).check(*arguments[1:2]), 0
    except RejectedError as error:
        report, status = {"verdict": "rejected", "reason": str(error)}, 1
    except (UnusableError, OSError, ValueError, IndexError) as error:
        report, status = {"verdict": "unusable", "reason": str(error)}, 2
    sys.stdout.write(json.dumps(report) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
