"""Fast and rigorous numbers for the graphs of `theory`."""
