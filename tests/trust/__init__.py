"""Attacks on files and runs: `python -m tests.trust.flip`, `kill`, `full`, `bombs`; see docs/trust.md."""
