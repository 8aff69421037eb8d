"""Counts of words and pairs: what a corpus is to word2vec."""
