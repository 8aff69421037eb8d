"""The optimisation problem: counts, weights of pairs and a loss give `M*` and the objective."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
