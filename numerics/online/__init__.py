"""Learning from a stream, one sample a step."""
