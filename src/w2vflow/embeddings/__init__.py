"""Word vectors without training, and from files."""
