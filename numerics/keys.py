"""Keys for everything that is drawn: 64-bit words that depend on labels and on nothing else."""

from __future__ import annotations

from hashlib import blake2b


def keyed_words(count: int, *labels: int | str | None) -> tuple[int, ...]:
    """``count`` words of 64 bits, word k = BLAKE2b((labels..., k)); the same on every machine.

    >>> keyed_words(1, "oracle", 0) == keyed_words(2, "oracle", 0)[:1]
    True
    """
    return tuple(
        int.from_bytes(blake2b(repr((*labels, k)).encode(), digest_size=8).digest(), "little")
        for k in range(count)
    )
