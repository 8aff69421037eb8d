"""Texts document by document: token files, counts of chosen documents."""
