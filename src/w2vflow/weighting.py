"""How strongly each pair counts: the weights Psi+ and Psi- of positive and negative pairs."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

__all__ = ["AnyArray", "Uniform"]

AnyArray = Array | np.ndarray


class Uniform(eqx.Module):
    """Weights that make `G` constant, the setting in which the theory is exact.

        Psi+_ij = Psi-_ij = 1 / (P_ij + p_i p_j),   so   G_ij = Psi+_ij P_ij + Psi-_ij p_i p_j = 1

    References:
        arXiv 2502.09863, Setting 3.1.
    """

    def psi(
        self, pair: Float[AnyArray, "V V"], product: Float[AnyArray, "V V"]
    ) -> tuple[Float[AnyArray, "V V"], Float[AnyArray, "V V"]]:
        """Return `Psi+` and `Psi-`, up to a common factor.

        Args:
            pair: joint probabilities `P_ij`.
            product: products `p_i p_j` of the unigram probabilities.
        """
        weight = 1.0 / (pair + product)
        return weight, weight
