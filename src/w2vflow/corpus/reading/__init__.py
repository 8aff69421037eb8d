"""Text files, dumps and tables as documents."""
