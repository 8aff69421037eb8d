"""Pairs of a text in their order."""
