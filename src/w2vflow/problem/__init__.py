"""The problem: counts, weights of pairs and a loss make `M*` and the objective."""
