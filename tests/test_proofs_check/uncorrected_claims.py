"""A refuted claim whose correction does not exist."""

from dataclasses import replace

from proofs_check.claim import Check
from proofs_check.evidence import Verdict
from tests.test_proofs_check.fake_claims import claim, false

CLAIMS = (
    replace(claim("P3", Check("false", false), expected=Verdict.REFUTED), corrected_by="N12"),
)
