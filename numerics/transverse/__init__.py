"""How training leaves an invariant set, or falls back to it: exponents, times, noise."""
