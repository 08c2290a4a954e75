"""Exact statements about networks, gradients and the manifolds they preserve."""
