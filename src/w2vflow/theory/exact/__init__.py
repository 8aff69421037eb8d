"""The exact solution from any initial weights."""
