"""Linear manifolds of parameters: frozen, cloned, mirrored and zero units."""
