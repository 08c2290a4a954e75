"""Rank dynamics: Hermite weights and correlation kernels with enclosures, random layers."""
