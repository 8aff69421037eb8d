"""Samplers of minibatches."""
