"""Learning that goes on: streams, sequences of tasks, Continual Backprop."""
