"""What can be wrong with claims, evidence, targets and output files."""

from __future__ import annotations

from theory.errors import LopError


class EvidenceError(LopError):
    """Evidence that says more than its level allows, or cannot be written down."""


class ClaimError(LopError):
    """A claim without the checks it needs, or an id that names no claim."""


class TargetError(LopError):
    """A TARGET that leads to no architecture."""


class OptionError(LopError):
    """A command line option with a value that means nothing."""


class OutputError(LopError):
    """A file that cannot be written."""


class CertificateError(LopError):
    """A proof that cannot be written as a certificate."""


class ArraysError(LopError):
    """Weights or data that cannot be read, or do not fit the network."""


class DisagreementError(LopError):
    """Two independent proofs contradict each other, so one of our provers is wrong."""
