"""Losses of one pair, as functions of the inner product x of its two vectors.

The objective is the sum over pairs of `A l+(x) + B l-(x)`. All losses here are of the form

    l+(x) = s(x) - x,   l-(x) = l+(-x) = s(x) + x,   s even,   s(x) = const + x^2/4 + ...

so that they share one scale, that of the quartic expansion, and one time axis. The logistic loss in
its usual form is half of it (`softplus(-x) = ln 2 - x/2 + x^2/8 - ...`): the factor 2 is here and
nowhere else.
"""

import re
from abc import abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.support.checks import argument_error

__all__ = ["Logistic", "Loss", "Quartic", "Taylor", "as_loss"]

if TYPE_CHECKING:
    Values = Any
else:
    Values = Float[Array | np.ndarray, "*pairs"] | float


class Loss(eqx.Module):
    """Loss of one pair, as a positive and as a negative example."""

    @abstractmethod
    def positive(self, x: Values) -> Values:
        """Return `l+(x) = s(x) - x`."""

    @abstractmethod
    def even_slope(self, x: Values) -> Values:
        """Return `s'(x)`, which is odd."""

    @abstractmethod
    def curvature(self, x: Values) -> Values:
        """Return `s''(x)`, the second derivative of `l+` and of `l-` alike."""

    def positive_slope(self, x: Values) -> Values:
        """Return `dl+/dx = s'(x) - 1`."""
        return self.even_slope(x) - 1

    def negative(self, x: Values) -> Values:
        """Return `l-(x) = l+(-x)`."""
        return self.positive(-x)

    def negative_slope(self, x: Values) -> Values:
        """Return `dl-/dx = s'(x) + 1`."""
        return -self.positive_slope(-x)

    def value(self, positive: Values, negative: Values, x: Values) -> Values:
        """Return `A l+(x) + B l-(x)` for weights `A`, `B` of pairs."""
        return positive * self.positive(x) + negative * self.negative(x)

    def slope(self, positive: Values, negative: Values, x: Values) -> Values:
        """Return `A l+'(x) + B l-'(x) = (A + B) s'(x) - (A - B)`."""
        return (positive + negative) * self.even_slope(x) - (positive - negative)


class Quartic(Loss):
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

    def positive(self, x: Values) -> Values:
        """Return `l+(x) = -x + x^2/4`."""
        return -x + x**2 / 4

    def even_slope(self, x: Values) -> Values:
        """Return `s'(x) = x/2`."""
        return x / 2

    def curvature(self, x: Values) -> Values:
        """Return `s''(x) = 1/2`."""
        return 0 * x + 0.5


class Logistic(Loss):
    """The loss of word2vec with negative sampling, at twice its usual scale.

        l+(x) = 2 ln(1 + e^-x),   l-(x) = 2 ln(1 + e^x)

    No `x` overflows, and small results keep their relative precision.

    References:
        Mikolov et al. (2013), arXiv 1310.4546, equation 4.

    Example:
        >>> loss = Logistic()
        >>> float(loss.positive(-800.0)), f"{float(loss.positive(800.0)):.1e}"
        (1600.0, '0.0e+00')
    """

    def positive(self, x: Values) -> Values:
        """Return `l+(x) = 2 ln(1 + e^-x)`."""
        return 2 * jax.nn.softplus(-jnp.asarray(x))

    def positive_slope(self, x: Values) -> Values:
        """Return `dl+/dx = -2 / (1 + e^x)`."""
        return -2 * jax.nn.sigmoid(-jnp.asarray(x))

    def even_slope(self, x: Values) -> Values:
        """Return `s'(x) = tanh(x/2)`."""
        return jnp.tanh(jnp.asarray(x) / 2)

    def curvature(self, x: Values) -> Values:
        """Return `s''(x) = 1/2 sech^2(x/2)`."""
        return 2 * jax.nn.sigmoid(jnp.asarray(x)) * jax.nn.sigmoid(-jnp.asarray(x))


class Taylor(Loss):
    """The logistic loss expanded in `x` up to an even order.

        l+(x) = 2 ln 2 - x + x^2/4 - x^4/96 + x^6/1440 - ...,   cut after x^order

    Order 2 is the quartic objective, up to a constant. The series converges for `|x| < pi`. Orders
    4, 8, 12 ... end in a negative term: the loss falls without bound, and descent diverges where
    inner products grow beyond a few units.

    Args:
        order: even, at least 2.

    Raises:
        ValueError: an odd order, or one below 2.

    References:
        arXiv 2502.09863, section 3, of which this continues the expansion.

    Example:
        >>> Taylor(2).positive_slope(1.0) == Quartic().positive_slope(1.0)
        True
    """

    order: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.order < 2 or self.order % 2:
            remedy = "The expansion has no odd powers but the first."
            raise argument_error("order", "even and at least 2", self.order, remedy)

    def positive(self, x: Values) -> Values:
        """Return `l+(x)`, cut after `x^order`."""
        terms = [c / (2 * n + 2) for n, c in enumerate(_tanh_series(self.order // 2))]
        return 2 * np.log(2) - x + _polynomial(terms, x**2) * x**2

    def even_slope(self, x: Values) -> Values:
        """Return `s'(x)`: the series of `tanh(x/2)`."""
        return _polynomial(_tanh_series(self.order // 2), x**2) * x

    def curvature(self, x: Values) -> Values:
        """Return `s''(x)`."""
        terms = [c * (2 * n + 1) for n, c in enumerate(_tanh_series(self.order // 2))]
        return _polynomial(terms, x**2)


def as_loss(loss: str | Loss) -> Loss:
    """Return the loss of a name: `"quartic"`, `"logistic"` or `"taylor(n)"`; a loss as it is.

    Raises:
        ValueError: another name, or an odd order.
    """
    if isinstance(loss, Loss):
        return loss
    if taylor := re.fullmatch(r"taylor\((\d+)\)", loss):
        return Taylor(int(taylor[1]))
    named: dict[str, type[Loss]] = {"logistic": Logistic, "quartic": Quartic}
    if loss not in named:
        raise argument_error("loss", "'quartic', 'logistic', 'taylor(n)' or a `Loss`", repr(loss))
    return named[loss]()


def _tanh_series(terms: int) -> list[float]:
    """Return the first coefficients of `tanh(x/2) / x` in powers of `x^2`, exact but for one rounding.

    From `t' = (1 - t^2) / 2`, term by term.
    """
    series: list[Fraction] = [Fraction(1, 2)]
    for n in range(1, terms):
        square = sum((series[i] * series[n - 1 - i] for i in range(n)), Fraction(0))
        series.append(-square / (2 * (2 * n + 1)))
    return [float(c) for c in series]


def _polynomial(coefficients: list[float], y: Any) -> Any:
    """Return the polynomial in `y` by Horner's rule, lowest power first."""
    value = 0.0 * y
    for coefficient in reversed(coefficients):
        value = value * y + coefficient
    return value
