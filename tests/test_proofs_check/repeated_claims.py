"""A second claim with the id of one in fake_claims."""

from proofs_check.claim import Check
from tests.test_proofs_check.fake_claims import claim, proved

CLAIMS = (claim("P2", Check("proof", proved)),)
