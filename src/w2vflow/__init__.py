"""When, in which order and as which subspaces word2vec learns its concepts.

Counts of a corpus in; predictions in closed form, the gradient flow as an ODE and SGD over many
seeds out, on one time axis.
"""

import lazy_loader

__version__ = "0.1.0.dev0"

# Loaded at first use, from the stub beside this file: counting never waits for JAX.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
