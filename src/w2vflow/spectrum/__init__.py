"""Eigenpairs of `M*`: the concepts."""
