"""Gradient flow, enclosed: balls that contain the exact solution of θ' = -∇L(θ)."""
