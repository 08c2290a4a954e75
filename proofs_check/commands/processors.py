"""How many processes a command may start."""

from __future__ import annotations

import os


def processors() -> int:
    """Processors this process may use; a container may grant fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
