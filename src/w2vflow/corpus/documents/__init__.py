"""Documents as the unit: token files and counts by document."""
