"""Sets of entries of a tensor in words: slices, products of index sets, blocks of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

MAX_LISTED = 6  # terms of one line


@dataclass(frozen=True, slots=True)
class IndexedTensor:
    """A tensor with named axes, of which sets of entries are described.

    Args:
        name: of the tensor.
        axes: names of its axes.
        shape: their lengths.

    >>> IndexedTensor("W", ("x", "h"), (2, 3)).text([0, 3])
    'W[:, 0]'
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]

    def place(self, entry: int) -> tuple[int, ...]:
        """The index of a flat entry."""
        found = []
        for n in reversed(self.shape):
            entry, k = divmod(entry, n)
            found.append(k)
        return tuple(reversed(found))

    def fibres(self, summed: tuple[int, ...]) -> Iterator[list[int]]:
        """Flat entries that agree outside the given axes."""
        kept = [range(1) if a in summed else range(n) for a, n in enumerate(self.shape)]
        moved = [range(n) if a in summed else range(1) for a, n in enumerate(self.shape)]
        for base in product(*kept):
            yield [
                self._flat(tuple(u + v for u, v in zip(base, step, strict=True)))
                for step in product(*moved)
            ]

    def slices(self, entries: Sequence[int]) -> Iterator[list[int]]:
        """Entries in few parts that are products of index sets: whole slices first, then rows."""
        rest = set(entries)
        for axis in range(len(self.shape)):
            if rest and _box([self.place(e) for e in rest]) is not None:
                break
            others = tuple(a for a in range(len(self.shape)) if a != axis)
            full = [own for own in self.fibres(others) if rest.issuperset(own)]
            if full:
                yield sorted(e for own in full for e in own)
                rest.difference_update(*full)
        if rest and _box([self.place(e) for e in rest]) is not None:
            yield sorted(rest)
            return
        by_row: dict[tuple[int, ...], list[int]] = {}
        for e in sorted(rest):
            by_row.setdefault(self.place(e)[:-1], []).append(e)
        yield from by_row.values()

    def is_whole_axis(self, entries: Sequence[int]) -> bool:
        """Whether the entries are all those along one axis, at one place of the others."""
        box = _box([self.place(e) for e in entries])
        if box is None:
            return False
        long = [a for a, own in enumerate(box) if len(own) > 1]
        return len(long) == 1 and len(box[long[0]]) == self.shape[long[0]]

    def blocks(self, clusters: Sequence[Sequence[int]]) -> str | None:
        """Blocks of axes whose products are exactly the clusters, in words, if there are such."""
        boxes = [_box([self.place(e) for e in own]) for own in clusters]
        families: list[dict[int, tuple[int, ...]]] = [{} for _ in self.shape]
        for box in boxes:
            if box is None:
                return None
            for family, own in zip(families, box, strict=True):
                for k in own:
                    if family.setdefault(k, tuple(own)) != tuple(own):
                        return None
        for family, n in zip(families, self.shape, strict=True):
            family.update({k: (k,) for k in range(n) if k not in family})
        sizes = [[len(block) for block in set(family.values())] for family in families]
        # every product of blocks has to be a cluster, or a single entry
        single = prod(own.count(1) for own in sizes)
        if prod(map(len, sizes)) - single != len(clusters):
            return None
        words = []
        for axis, family in zip(self.axes, families, strict=True):
            long = sorted(block for block in set(family.values()) if len(block) > 1)
            if long:
                listed = " ".join(f"{{{', '.join(map(str, b))}}}" for b in long[:MAX_LISTED])
                more = f" … ({len(long)} blocks)" if len(long) > MAX_LISTED else ""
                words.append(f"{axis}: {listed}{more}")
        return "; ".join(words)

    def text(self, entries: Sequence[int]) -> str:
        """``W[0, :]`` for a product of index sets, else the first entries one by one."""
        if len(entries) == prod(self.shape) > 1:
            return f"{self.name} (all {len(entries)} entries)"
        if not self.shape:
            return self.name
        box = _box([self.place(e) for e in entries])
        if box is not None:
            return f"{self.name}[{', '.join(map(_indices, box, self.shape))}]"
        listed = [f"{self.name}[{', '.join(map(str, self.place(e)))}]" for e in entries]
        more = f" … ({len(listed)} entries)" if len(listed) > MAX_LISTED else ""
        return f"{{{', '.join(listed[:MAX_LISTED])}{more}}}"

    def _flat(self, place: tuple[int, ...]) -> int:
        flat = 0
        for k, n in zip(place, self.shape, strict=True):
            flat = flat * n + k
        return flat


def _box(places: Sequence[tuple[int, ...]]) -> list[list[int]] | None:
    """The index sets whose product the places are, if there are such."""
    sets = [sorted(set(column)) for column in zip(*places, strict=True)]
    return sets if prod(map(len, sets)) == len(set(places)) == len(places) else None


def _indices(found: list[int], length: int) -> str:
    if len(found) == length > 1:
        return ":"
    runs: list[list[int]] = []
    for k in found:
        if runs and k == runs[-1][-1] + 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    words = [
        ", ".join(map(str, run)) if len(run) < 3 else f"{run[0]}:{run[-1] + 1}" for run in runs
    ]
    return words[0] if len(runs) == 1 and len(found) != 2 else f"{{{', '.join(words)}}}"
