"""Results of every solver, measured and compared."""
