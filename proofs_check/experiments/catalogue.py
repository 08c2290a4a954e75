"""The experiments by name."""

from __future__ import annotations

from proofs_check.errors import OptionError
from proofs_check.experiments.bit_flipping import BIT_FLIPPING
from proofs_check.experiments.cloning import CLONING
from proofs_check.experiments.continual import CONTINUAL
from proofs_check.experiments.experiment import Experiment

EXPERIMENTS = {one.name: one for one in (CLONING, BIT_FLIPPING, CONTINUAL)}


def find(name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        OptionError: if there is none.

    >>> find("flipping")
    Traceback (most recent call last):
    proofs_check.errors.OptionError: no experiment 'flipping': cloning, bit-flipping, continual
    """
    if name not in EXPERIMENTS:
        raise OptionError(f"no experiment {name!r}: {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
