"""Closed forms: when each concept is learned, and the exact solution for any initial weights."""
