"""The paper's experiments: seeded, resumable, each with a verdict that could be the other one.

An experiment is a few independent jobs, each a row of stages that map arrays to arrays. After a
stage the arrays are a checkpoint; so a run that was interrupted goes on where it stopped and ends
with the same numbers. What decides whether a claim is reproduced is written beside the claim,
before the run.
"""

from proofs_check.experiments.catalogue import EXPERIMENTS as EXPERIMENTS
from proofs_check.experiments.catalogue import find as find
from proofs_check.experiments.result import Curve as Curve
from proofs_check.experiments.result import Result as Result
from proofs_check.experiments.result import load as load
from proofs_check.experiments.running import run as run
from proofs_check.experiments.verdict import Finding as Finding
from proofs_check.experiments.verdict import Verdict as Verdict
