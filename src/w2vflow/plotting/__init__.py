"""Figures: arrays or results in, matplotlib Axes out."""
