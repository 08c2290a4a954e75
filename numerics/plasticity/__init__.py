"""The plasticity dimension: gradients at many points, their row space, what is conserved."""
