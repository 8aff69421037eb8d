"""Spread of step times caused by minibatches."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.problem import Problem
from w2vflow.sgd.noise.gradient_noise import concepts_of, gradient_noise
from w2vflow.spectrum import Spectrum, stable_rate
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, at_hand, namespace
from w2vflow.support.checks import check_moving, check_positive, check_weights
from w2vflow.support.kinds import ArrayLike

__all__ = ["Growth", "step_time_noise"]


@checked
def step_time_noise(
    problem: Problem,
    W0: ArrayLike,
    *,
    learning_rate: float,
    batch_size: int,
    sampler: str = "corpus",
    spectrum: Spectrum | None = None,
) -> Float[Array, "*S dim"]:
    """Return the standard deviation of each step time over minibatches, for given starts, `([S,] dim)`.

    Noise multiplies: it preserves the row space of the weights and seeds no direction, but it mixes
    what is not yet learned. With `R_kk` of the overlaps `b_j = v_j^T W0`, from which concept k starts
    (`effective_initial_strengths`), `r_k` the direction that it stands for, `c_ik` the coefficients
    of `b_k` along earlier `b_i`, and `N_kj = v_k^T (S + S^T) v_j` of a batch at small weights (tied):

        Var(ln R_kk^2) = 4 eta [Var(N_kk) t_k + sum_(j>k) F_kj (b_j . r_k)^2 / R_kk^2
                                + sum_(i<k) c_ik^2 (F_ik + sum_(j>k) F_ij (b_j . r_k)^2 / R_kk^2)]
        F_kj = Var(N_kj) (1 - e^(-2 (lambda_k - lambda_j) t_k)) / (2 (lambda_k - lambda_j))
        sd(t_k) = sd(ln R_kk^2) / (2 lambda_k)

    Untied concepts grow at half the rate, have a quarter of the variance, and are mixed with the
    differences of words and contexts too, which decay. It is the noise between many runs from one
    start; a start with a small `R_kk`, as the last concept often has, has much.

    First order in `eta`: for concepts apart it is within 20% while `sd(ln R_kk^2)` is below 0.3. Of concepts
    closer together than their rise is wide, which trade places, it is too large, of the last concept several
    times (see docs/predictions.md, "Finite steps and minibatches"). Of much larger noise what is mixed in
    can only add, so that a late concept comes early on average.

    Args:
        problem: quartic and at constant `G`, made from statistics; tied or untied.
        W0: initial weights, small; of untied problems `([S,] 2, V, dim)`.
        learning_rate, batch_size, sampler: as in `run_sgd`.
        spectrum: at least `dim` leading eigenpairs, if at hand; untied: `extreme_eigenpairs`.

    Returns:
        Standard deviations in units of time; NaN for concepts that start above `lambda_k`.

    Raises:
        ValueError: the problem is of another kind, or an argument does not fit it.
    """
    problem.require_solvable("step_time_noise")
    check_positive("learning_rate", learning_rate)
    learning_rate = stable_rate(problem, learning_rate)
    weights = check_weights(W0, problem.vocab_size, problem.sides)
    check_moving(weights)
    growth = Growth.of(problem, weights.shape[-1], batch_size, sampler, spectrum)
    growth, weights = at_hand((growth, weights))
    xp = namespace(growth.sizes, weights)
    starts = weights if weights.ndim == 3 else weights[None]
    vectors, V = growth.vectors, problem.vocab_size
    sides = starts.reshape(len(starts), problem.sides, V, -1)
    signs = xp.ones(starts.shape[2]) if problem.tied else growth.signs
    overlaps = xp.einsum("vk,svd->skd", vectors, sides[:, 0])
    if not problem.tied:
        overlaps = (overlaps + signs[:, None] * xp.einsum("vk,svd->skd", vectors, sides[:, 1])) / 2
    directions = xp.linalg.qr(xp.swapaxes(overlaps, 1, 2))[0]
    along = xp.sum((starts @ directions) ** 2, axis=1) / problem.sides
    held = xp.sum((overlaps @ directions) ** 2, axis=1)
    rest = xp.maximum(along - held, 0) / max(1, problem.sides * V - len(signs))
    variance, logarithm = growth.variance(overlaps, rest)
    grown = logarithm > 0
    found = xp.sqrt(xp.where(grown, learning_rate * variance, 1.0)) / (2 * growth.speed * growth.sizes)
    found = jnp.asarray(xp.where(grown, found, xp.nan))
    return found if weights.ndim == 3 else found[0]


class Growth(NamedTuple):
    """Concepts while they are small, and how minibatches mix them.

    Attributes:
        sizes, signs, vectors: `|lambda_k|`, its sign, `v_k`.
        nodes, counts: other growth rates, and how many there are of each.
        noise: `Var(N_kj)` of concepts `k`, and of concepts and nodes `j`.
        speed: `Problem.speed`: squares grow at `2 speed |lambda_k|`.
    """

    sizes: AnyArray
    signs: AnyArray
    vectors: AnyArray
    nodes: AnyArray
    counts: AnyArray
    noise: AnyArray
    speed: float

    @classmethod
    def of(
        cls, problem: Problem, dim: int, batch_size: int, sampler: str, spectrum: Spectrum | None
    ) -> "Growth":
        """Return what the growth of a problem's concepts is."""
        concepts = concepts_of(problem, dim, spectrum)
        noise = gradient_noise(problem, concepts, learned=False, batch_size=batch_size, sampler=sampler)
        values, nodes, counts = concepts.eigenvalues, concepts.bath_nodes, concepts.bath_weights
        xp = namespace(values, noise)
        if not problem.tied:
            # Sums of words and contexts grow at |lambda| / 2, differences decay at it.
            fading = -xp.abs(xp.concatenate([values, nodes]))
            nodes = xp.concatenate([xp.abs(nodes), fading])
            counts = xp.concatenate([counts, xp.ones(dim), counts])
            noise = xp.hstack([noise, noise])
        signs = xp.sign(values)
        return cls(xp.abs(values), signs, concepts.eigenvectors, nodes, counts, noise, problem.speed)

    def variance(
        self, overlaps: Float[AnyArray, "S d d"], rest: Float[AnyArray, "S d"]
    ) -> tuple[AnyArray, AnyArray]:
        """Return `Var(ln R_kk^2) / eta` and `ln(lambda_k / R_kk^2 - 1)`, each `(S, d)`.

        Args:
            overlaps: `b_k`, as rows.
            rest: mean square, along each `r_k`, of overlaps with all other eigenvectors.
        """
        xp, size = namespace(self.sizes, overlaps), len(self.sizes)
        directions, triangle = xp.linalg.qr(xp.swapaxes(overlaps, 1, 2))
        diagonal = xp.diagonal(triangle, axis1=1, axis2=2)
        strengths = diagonal**2
        small = strengths < self.sizes
        logarithm = xp.log(xp.where(small, self.sizes / xp.where(strengths > 0, strengths, xp.nan) - 1, 1.0))
        # Of a typical start: mixing is over long before, but among concepts that are close.
        typical = xp.nanmedian(xp.where(small, logarithm, 0.0), axis=0)
        times = xp.maximum(typical, 0) / (2 * self.speed * self.sizes)
        mixing = self.noise * self._durations(times)
        # Column k of the inverse triangle has the coefficients of b_k along the earlier ones, over -R_kk.
        coefficients = xp.triu(xp.linalg.inv(triangle) * diagonal[:, None], 1) ** 2
        along = mixing + xp.einsum("sik,ic->skc", coefficients, mixing)
        later = xp.tril((overlaps @ directions) ** 2, -1)
        others = xp.einsum("skj,sjk->sk", along[..., :size], later)
        others = others + (along[..., size:] @ self.counts) * rest
        found = xp.diagonal(along[..., :size], axis1=1, axis2=2) + others / strengths
        return (2 * self.speed) ** 2 * found, xp.where(small, logarithm, xp.nan)

    def _durations(self, times: AnyArray) -> AnyArray:
        """Return `(1 - e^(-q D t)) / (q D)`, `D` the differences of growth rates; `t` itself at 0."""
        xp = namespace(self.sizes, times)
        rates = 2 * self.speed * (self.sizes[:, None] - xp.concatenate([self.sizes, self.nodes]))
        rates = xp.where(xp.abs(rates) > 1e-9 * self.sizes[0], rates, 1e-9 * self.sizes[0])
        with np.errstate(over="ignore"):
            return -xp.expm1(-rates * times[:, None]) / rates
