"""What minibatches add to descent: the noise of settled weights and of step times, and the rate to choose."""
