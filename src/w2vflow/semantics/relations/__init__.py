"""Relations between words: task vectors, outliers, emergence."""
