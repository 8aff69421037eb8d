"""Losses of one pair, as functions of the inner product x of its two vectors.

The objective is the sum over pairs of `A l+(x) + B l-(x)`. All losses here share one scale, that of
the quartic expansion, so that the time axes of different losses are the same. The logistic loss in
its usual form is half of it near x = 0 (`softplus(-x) = ln 2 - x/2 + x^2/8 - ...`).
"""

import equinox as eqx
from jaxtyping import Array, Float

__all__ = ["LOSSES", "Quartic"]


class Quartic(eqx.Module):
    """The quadratic expansion of the logistic loss, quartic in the weights.

        l+(x) = -x + x^2/4,   l-(x) = x + x^2/4
        A l+(x) + B l-(x) = 1/4 G (x - M*)^2 - 1/4 G M*^2,   G = A + B,   M* = 2 (A - B) / (A + B)

    References:
        arXiv 2502.09863, section 3 (quartic word embedding model).

    Example:
        >>> loss = Quartic()
        >>> loss.positive(1.0), loss.negative_slope(1.0)
        (-0.75, 1.5)
    """

    def positive(self, x: Float[Array, "*pairs"] | float) -> Float[Array, "*pairs"] | float:
        """Return `l+(x) = -x + x^2/4`."""
        return -x + x**2 / 4

    def negative(self, x: Float[Array, "*pairs"] | float) -> Float[Array, "*pairs"] | float:
        """Return `l-(x) = x + x^2/4`."""
        return x + x**2 / 4

    def positive_slope(self, x: Float[Array, "*pairs"] | float) -> Float[Array, "*pairs"] | float:
        """Return `dl+/dx = x/2 - 1`."""
        return x / 2 - 1

    def negative_slope(self, x: Float[Array, "*pairs"] | float) -> Float[Array, "*pairs"] | float:
        """Return `dl-/dx = x/2 + 1`."""
        return x / 2 + 1


LOSSES = {"quartic": Quartic}
