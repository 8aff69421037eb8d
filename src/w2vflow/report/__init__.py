"""The page of a run: one HTML file that works anywhere, offline."""
