"""One configured run or study, and its folder."""
