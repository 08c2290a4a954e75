"""Hypothesis profiles, chosen by the environment variable HYPOTHESIS_PROFILE."""

import os

from hypothesis import settings

settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, max_examples=30, database=None
)
settings.register_profile("nightly", deadline=None, print_blob=True, max_examples=2000)

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
