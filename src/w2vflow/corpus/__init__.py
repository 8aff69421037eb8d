"""From text to co-occurrence statistics, on the host."""
