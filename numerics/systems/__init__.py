"""Number systems in which a graph can be evaluated."""
