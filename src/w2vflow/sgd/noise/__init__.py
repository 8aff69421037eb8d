"""Noise of minibatches."""
