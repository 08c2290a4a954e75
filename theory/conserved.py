"""Conserved linear functionals, told apart by kind and grouped into lines that a person can read.

Given are linearly independent functionals A on the parameters, each with a leader: an entry with
coefficient ±1 or another that no other functional meets. Modulo A every entry's basis vector e_i
has a unique representative ρ(e_i) without leaders, and what is conserved can be read off:

- ``never learns``: ρ(e_i) = 0;
- ``cloned``: ρ(e_i) = ρ(e_j) in one tensor, or at one place of tensors over the same axes, so
  e_i - e_j is conserved;
- ``mirror``: ρ(e_i) = -ρ(e_j) in one tensor, so e_i + e_j is;
- ``trap``: ρ(e_i) = c ρ(e_j) for other pairs, such as w - c b behind a unit frozen at c (E2a);
- ``shift``: Σ ρ(e_i) = 0 over some axes of a tensor, such as logits under cross-entropy;
- ``other``: what is left, as a plain linear combination.

Kinds are taken in this order, each only for what those before it do not span, so the dimensions of
the groups add up to the number of functionals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import lcm, prod
from typing import Literal

from theory.entry_sets import MAX_LISTED, IndexedTensor
from theory.errors import ManifoldError
from theory.manifold.base import SparseVector

Kind = Literal["never learns", "cloned", "mirror", "trap", "shift", "other"]
Entry = tuple[str, int]  # parameter and flat index
Axes = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Group:
    """Conserved functionals of one kind that one line describes.

    Attributes:
        kind: see the module.
        text: the law in words.
        functionals: linearly independent, as many as the group accounts for.
    """

    kind: Kind
    text: str
    functionals: tuple[SparseVector, ...]

    @property
    def dimension(self) -> int:
        """How many dimensions of the conserved functionals it accounts for."""
        return len(self.functionals)


def conserved_groups(
    functionals: Sequence[SparseVector], axes: Axes, sizes: Mapping[str, int]
) -> tuple[Group, ...]:
    """Recognise conserved functionals by kind.

    Args:
        functionals: each has an entry that no other one meets.
        axes: axis names of every parameter.
        sizes: length of every axis.

    Raises:
        ManifoldError: if a functional has no entry of its own.

    >>> one = Fraction(1)
    >>> never = {("b", 0): one}
    >>> shift = {("W", 0): one, ("W", 1): one, ("W", 2): one}
    >>> for group in conserved_groups([never, shift], {"W": ("x", "y"), "b": ("y",)},
    ...                               {"x": 1, "y": 3}):
    ...     print(group.kind, "|", group.text)
    never learns | b[0]
    shift | Σ_y W[x, y] for every x
    """
    finder = _Finder(functionals, axes, sizes)
    return (*finder.single(), *finder.proportional(), *finder.shifts(), *finder.others())


class _Finder:
    def __init__(
        self, functionals: Sequence[SparseVector], axes: Axes, sizes: Mapping[str, int]
    ) -> None:
        self.functionals = functionals
        self.tensors = {
            p: IndexedTensor(p, tuple(a), tuple(sizes[s] for s in a)) for p, a in axes.items()
        }
        self.order = {p: k for k, p in enumerate(axes)}
        self.left = len(functionals)
        self.reduced = _reduced(functionals)
        self.accounted = _Elimination()
        self.representative: dict[Entry, tuple[Entry, Fraction]] = {}
        self.silent: set[Entry] = {e for e, rest in self.reduced.items() if not rest}

    def single(self) -> Iterator[Group]:
        """Entries that never learn, a line for each tensor or the slices of it."""
        for p, tensor in self.tensors.items():
            silent = sorted(e for q, e in self.silent if q == p)
            self.left -= len(silent)
            for own in tensor.slices(silent):
                rows = tuple({(p, e): Fraction(1)} for e in own)
                yield Group("never learns", tensor.text(own), rows)

    def proportional(self) -> Iterator[Group]:
        """Entries whose steps are fixed multiples of each other."""
        pairs: dict[Kind, list[tuple[Entry, Entry, Fraction]]] = {
            "cloned": [],
            "mirror": [],
            "trap": [],
            "shift": [],
        }
        for members in self._classes():
            (first, scale), *rest = members
            self.representative[first] = (first, Fraction(1))
            for entry, own in rest:
                self.representative[entry] = (first, own / scale)
            links = self._links(members)
            self.left -= len(links)
            for kind, i, j, ratio in links:
                pairs[kind].append((i, j, ratio))
        cloned = pairs["cloned"]
        yield from self._clones([link for link in cloned if link[0][0] == link[1][0]])
        pairs["cloned"] = [link for link in cloned if link[0][0] != link[1][0]]
        for kind, found in pairs.items():
            yield from self._pairs(kind, found)

    def _classes(self) -> list[list[tuple[Entry, Fraction]]]:
        """Entries with the same ρ up to a factor, with the factors; two or more of them."""
        classes: dict[tuple[tuple[Entry, Fraction], ...], list[tuple[Entry, Fraction]]] = {}
        met: dict[Entry, None] = {}
        for f in self.functionals:
            met.update(dict.fromkeys(f))
        for entry in sorted(met, key=self._place):
            rest = self.reduced.get(entry, {entry: Fraction(1)})
            if rest:
                terms = sorted(rest.items(), key=lambda term: self._place(term[0]))
                scale = terms[0][1]
                key = tuple((e, c / scale) for e, c in terms)
                classes.setdefault(key, []).append((entry, scale))
        return [members for members in classes.values() if len(members) > 1]

    def _links(
        self, members: list[tuple[Entry, Fraction]]
    ) -> list[tuple[Kind, Entry, Entry, Fraction]]:
        """A tree of pairs (i, j, c) with e_i - c e_j conserved: clones, mirrors, then the rest."""
        clones: dict[tuple[str, Fraction], list[Entry]] = {}
        for entry, scale in members:
            clones.setdefault((entry[0], scale), []).append(entry)
        links: list[tuple[Kind, Entry, Entry, Fraction]] = []
        heads: list[tuple[Entry, Fraction]] = []
        for (p, scale), own in clones.items():
            links += [("cloned", e, own[0], Fraction(1)) for e in own[1:]]
            mirrored = clones.get((p, -scale))
            if mirrored and mirrored[0] < own[0]:
                tensor = self.tensors[p]
                is_sum = tensor.is_whole_axis([mirrored[0][1], own[0][1]])
                links.append(("shift" if is_sum else "mirror", own[0], mirrored[0], Fraction(-1)))
            else:
                heads.append((own[0], scale))
        base, unit = heads[-1]
        for entry, scale in heads[:-1]:
            is_twin = scale == unit and self._is_twin(entry, base)
            links.append(("cloned" if is_twin else "trap", entry, base, scale / unit))
        return links

    def _is_twin(self, one: Entry, other: Entry) -> bool:
        """Whether the entries stand at the same place of tensors over the same axes."""
        return one[1] == other[1] and self.tensors[one[0]].axes == self.tensors[other[0]].axes

    def _clones(self, found: list[tuple[Entry, Entry, Fraction]]) -> Iterator[Group]:
        """A line for each tensor whose clones are the products of blocks of its axes."""
        clusters: dict[str, dict[int, list[int]]] = {}
        for (p, i), (_, j), _ in found:
            clusters.setdefault(p, {}).setdefault(j, [j]).append(i)
        for p, own in clusters.items():
            blocks = self.tensors[p].blocks(list(own.values()))
            rows = [(i, j) for (q, i), (_, j), _ in found if q == p]
            if blocks is None:
                yield from self._pairs("cloned", [link for link in found if link[0][0] == p])
            else:
                functionals = tuple({(p, i): Fraction(1), (p, j): Fraction(-1)} for i, j in rows)
                yield Group("cloned", f"{p}: equal steps inside blocks of {blocks}", functionals)

    def _pairs(self, kind: Kind, found: list[tuple[Entry, Entry, Fraction]]) -> Iterator[Group]:
        """Pairs of two tensors with one ratio that differ in the same places are one line."""
        lines: dict[object, list[tuple[Entry, Entry]]] = {}
        for (p, i), (q, j), ratio in found:
            at, other = self.tensors[p].place(i), self.tensors[q].place(j)
            if p == q:
                where: object = tuple((u, v) for u, v in zip(at, other, strict=True) if u != v)
                axes = tuple(a for a, (u, v) in enumerate(zip(at, other, strict=True)) if u != v)
            else:
                where, axes = at[:1] if len(at) > len(other) else (), ()
            lines.setdefault((p, q, ratio, axes, where), []).append(((p, i), (q, j)))
        for (p, q, ratio, *_), pairs in lines.items():  # type: ignore[misc]
            rows = tuple({i: Fraction(1), j: -ratio} for i, j in pairs)
            left = self.tensors[p].text([i for (_, i), _ in pairs])
            right = self.tensors[q].text([j for _, (_, j) in pairs])
            sign, size = ("-", ratio) if ratio > 0 else ("+", -ratio)
            yield Group(kind, f"{left} {sign} {'' if size == 1 else f'{size} '}{right}", rows)

    def shifts(self) -> Iterator[Group]:
        """Sums over one axis of a tensor, then over several."""
        for p, tensor in self.tensors.items():
            for count in range(1, len(tensor.shape) + 1):
                for summed in combinations(range(len(tensor.shape)), count):
                    if not self.left:
                        return
                    yield from self._shift(p, tensor, summed)

    def _shift(self, p: str, tensor: IndexedTensor, summed: tuple[int, ...]) -> Iterator[Group]:
        rows = []
        for own in tensor.fibres(summed):
            total: SparseVector = {}
            for e in own:
                _add(total, self.reduced.get((p, e), {(p, e): Fraction(1)}))
            row: SparseVector = {(p, e): Fraction(1) for e in own}
            if not total and self._is_new(row):
                rows.append(row)
        if rows:
            self.left -= len(rows)
            names = [tensor.axes[a] for a in summed]
            kept = [a for k, a in enumerate(tensor.axes) if k not in summed]
            every = prod(n for k, n in enumerate(tensor.shape) if k not in summed)
            which = f" for {len(rows)} of the {every}" if len(rows) < every else " for every"
            place = f"{which} {', '.join(kept)}" if kept else ""
            text = f"Σ_{{{', '.join(names)}}}" if len(names) > 1 else f"Σ_{names[0]}"
            yield Group("shift", f"{text} {p}[{', '.join(tensor.axes)}]{place}", tuple(rows))

    def others(self) -> Iterator[Group]:
        """Whatever no kind explains, one line each."""
        for f in self.functionals:
            if not self.left:
                return
            if self._is_new(f):
                self.left -= 1
                yield Group("other", self._combination(f), (dict(f),))

    def _is_new(self, row: SparseVector) -> bool:
        """Whether a functional is independent of all that is accounted for; then it counts too."""
        merged: SparseVector = {}
        for entry, c in row.items():
            if entry not in self.silent:
                base, factor = self.representative.get(entry, (entry, Fraction(1)))
                _add(merged, {base: c * factor})
        return self.accounted.add(merged)

    def _combination(self, row: SparseVector) -> str:
        scale = lcm(*(c.denominator for c in row.values()))
        text = ""
        terms = sorted(row.items(), key=lambda term: self._place(term[0]))
        for (p, e), c in terms[:MAX_LISTED]:
            whole = c * scale
            size = "" if abs(whole) == 1 else f"{abs(whole)} "
            text += f" {'-' if whole < 0 else '+'} {size}{self.tensors[p].text([e])}"
        more = f" … ({len(terms)} terms)" if len(terms) > MAX_LISTED else ""
        return text.removeprefix(" + ").strip() + more

    def _place(self, entry: Entry) -> tuple[int, int]:
        return self.order[entry[0]], entry[1]


def _reduced(functionals: Sequence[SparseVector]) -> dict[Entry, SparseVector]:
    """ρ(e) for the leaders e; every other entry is its own representative."""
    count: dict[Entry, int] = {}
    for f in functionals:
        for entry in f:
            count[entry] = count.get(entry, 0) + 1
    found: dict[Entry, SparseVector] = {}
    for k, f in enumerate(functionals):
        own = [entry for entry in f if count[entry] == 1]
        if not own:
            raise ManifoldError(f"functionals[{k}]: every entry is met by others, none leads")
        leader = own[-1]
        found[leader] = {e: -c / f[leader] for e, c in f.items() if e != leader}
    return found


class _Elimination:
    """Linear independence of sparse rows, one after the other."""

    def __init__(self) -> None:
        self.rows: dict[Entry, SparseVector] = {}  # by pivot; 1 there

    def add(self, row: SparseVector) -> bool:
        """Whether the row is independent of those before."""
        rest = dict(row)
        pending = set(rest)
        while pending:
            entry = pending.pop()
            if entry in self.rows and entry in rest:
                scaled = {e: -rest[entry] * c for e, c in self.rows[entry].items()}
                _add(rest, scaled)
                pending.update(e for e in scaled if e in rest)
        if not rest:
            return False
        pivot = min(rest)
        self.rows[pivot] = {e: c / rest[pivot] for e, c in rest.items()}
        return True


def _add(total: SparseVector, terms: SparseVector) -> None:
    for entry, c in terms.items():
        value = total.get(entry, Fraction(0)) + c
        if value:
            total[entry] = value
        else:
            total.pop(entry, None)
