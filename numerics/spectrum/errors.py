"""What can be wrong with a request for a transverse spectrum."""

from __future__ import annotations

from theory.errors import LopError


class SpectrumError(LopError):
    """A point, a partition or an architecture that has no transverse blocks of the kind asked."""
