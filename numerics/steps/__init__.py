"""Steps of optimizers: which sets they keep, proved and watched; clones and their quotient."""
