"""From documents to counts."""
