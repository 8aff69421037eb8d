"""The discrete algorithm: minibatches of (word, context) pairs, vmapped over seeds."""
