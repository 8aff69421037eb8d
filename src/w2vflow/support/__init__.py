"""Checks, files, machine, devices: nothing here knows of word2vec."""
