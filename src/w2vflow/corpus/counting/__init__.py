"""Counting: from documents to co-occurrence counts."""
