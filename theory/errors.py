"""What can be wrong with an input; each message names the entry, the value and the law.

Every error of the toolkit is a :class:`LopError`, so a caller (the command line, say) can tell
unusable input from a defect. Expected outcomes of a computation, such as a refuted claim, are
values and never errors.
"""

from __future__ import annotations


class LopError(ValueError):
    """Input that the toolkit cannot use; the message is one line and says what would be right."""


class GraphError(LopError):
    """A node, an attribute or a serialised graph that breaks the rules of its primitive."""


class TraceError(LopError):
    """A forward function that does what a traced array cannot follow."""


class ShapeError(LopError):
    """An array that is missing or does not fit the shape a graph asks for."""


class ArchitectureError(LopError):
    """An architecture whose axes, parameters or output do not fit each other."""


class PartitionError(LopError):
    """Blocks that overlap, leave the axis, or belong to an axis that does not exist."""


class ManifoldError(LopError):
    """A manifold that does not fit the parameters it is meant for."""


class OptimizerError(LopError):
    """An optimizer, or a state of it, that does not fit what it is meant for."""


class ValueSystemError(LopError):
    """A number, or a function symbol, that a number system cannot represent."""
