"""The ladder: plateaus of the flow of any loss and weights, and what rises between them."""
