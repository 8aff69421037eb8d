"""What was learned, in words."""
