"""SGD that has settled: how much of what it holds is concepts, how much noise, and where it holds none."""

from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.problem import Problem
from w2vflow.sgd.noise.gradient_noise import Pairs, concepts_of
from w2vflow.sgd.noise.kicks import Kicks, Vectors
from w2vflow.sgd.samplers.batches import Blocking, blocked, shared_out
from w2vflow.spectrum import Spectrum, stability_limit
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import check_positive

__all__ = ["Balance", "Settled", "expected_overlap", "mean_square_limit"]

# Of Newton's method, from below; each about doubles the digits.
_NEWTON = 12
# Of the fixed point: relative change at which it is found, and how often it is tried.
_TOLERANCE, _EXACT = 1e-4, 1e-13
_MOST = 100
# Where arrays are traced all are made.
_TRACED, _FOUND = 60, 1e-2
# Of the search for the largest rate: by what it goes up, and to what it is found.
_STRIDE, _PRECISION, _JUST_BELOW = 1.6, 1.1, 0.999
# Random blocks over which the pull of one block is averaged.
_BLOCKS = 64


class Settled(NamedTuple):
    """Second moments of settled vectors.

    Attributes:
        held: `n_lk`, what concept `l` has of the strength of direction `k`, `(d, d)`.
        noise: `(V, d)`, variances of words outside of the concepts.
        strength: `h_k`, sum over words of second moments, `(d,)`.
        change: relative change in the last step of the fixed point.
    """

    held: AnyArray
    noise: AnyArray
    strength: AnyArray
    change: AnyArray | float

    @property
    def overlap(self) -> AnyArray:
        """The share of the strength of the concepts, averaged over directions."""
        return (1 - self.noise.sum(axis=0) / self.strength).mean()


class Balance(NamedTuple):
    """What settled noise follows from: what minibatches add is what gradients take away.

    Attributes:
        kicks: what minibatches add.
        values: `|lambda_k|`.
        signs: of the eigenvalues.
        squares: `v_k^2`.
        rest: of each word, how much of it lies outside of the concepts.
        nodes, counts: other eigenvalues, and how many there are of each.
        speed: `Problem.speed`.
        blocking: the blocks of a batch, None of single pairs.
        seen: of `"shared"`, by how much of the other one a step of rate 1 moves a word of a seen pair.
    """

    kicks: Kicks
    values: AnyArray
    signs: AnyArray
    squares: AnyArray
    rest: AnyArray
    nodes: AnyArray
    counts: AnyArray
    speed: float
    blocking: Blocking | None
    seen: AnyArray | float

    @classmethod
    def of(
        cls, problem: Problem, dim: int, batch_size: int, sampler: str, spectrum: Spectrum | None
    ) -> "Balance":
        """Return the balance of a problem's minibatches.

        Raises:
            ValueError: as `expected_overlap`.
        """
        concepts = concepts_of(problem, dim, spectrum)
        if is_known(concepts):
            concepts = jax.tree.map(lambda array: np.asarray(array, np.float64), concepts)
        pairs = Pairs.of(problem, concepts, learned=True)
        xp, squares = pairs.xp, pairs.squares
        nodes, counts = concepts.bath_nodes, concepts.bath_weights
        if not problem.tied:
            # Of sums and differences of words and contexts, which have half of the noise each.
            nodes, counts = xp.concatenate([nodes, -nodes]), xp.concatenate([counts, counts]) / 2
        return cls(
            Kicks.of(pairs, batch_size, sampler),
            xp.abs(pairs.values),
            xp.sign(pairs.values),
            squares,
            1 - squares.sum(axis=1),
            nodes,
            counts,
            problem.speed,
            {"blocks": blocked(batch_size), "shared": shared_out(batch_size)[1]}.get(sampler),
            2 * pairs.weights.values.sum() / shared_out(batch_size)[0] if sampler == "shared" else 0.0,
        )

    def settle(
        self, rate: AnyArray | float, start: Settled | None = None, tolerance: float = _TOLERANCE
    ) -> Settled:
        """Return the settled state, from below: from that of a smaller rate, or from none of noise.

        Where there is none it is NaN. Of traced arrays all steps are made, whatever the tolerance.
        """
        state = self._noiseless() if start is None else start
        if is_known(self, rate):
            for _ in range(_MOST):
                with np.errstate(all="ignore"):
                    state = self._next(state, rate)
                if not state.change > tolerance:
                    break
            if state.change <= _TOLERANCE:
                return state
            return state._replace(strength=np.nan * state.strength)

        def step(state: Settled, _: None) -> tuple[Settled, None]:
            return self._next(state, rate), None

        found = jax.lax.scan(step, jax.tree.map(jnp.asarray, state), length=_TRACED)[0]
        strength = jnp.where(found.change < _FOUND, found.strength, jnp.nan)
        return found._replace(strength=strength)

    def holds(self, state: Settled, rate: float) -> bool:
        """Return whether it is a settled state of this rate, which single blocks and pairs leave there."""
        settled = bool(np.isfinite(state.overlap)) and (1 + rate * self.seen) ** 2 < 2
        return settled and rate * self._curvature(state) < 2

    def limit(self, first: float, most: float) -> float:
        """Return the largest rate with a settled state, up to `most`, searched for from `first` on.

        Nor is there one where the step of one block makes a deviation larger, or that of one seen pair
        doubles the squares of its vectors.
        """
        below, above, state = 0.0, 2 * most, self._noiseless()
        rate = min(first, most)
        while above > _PRECISION * below:
            # Full batches have no settled state at the limit itself.
            found = self.settle(_JUST_BELOW * rate, state)
            if self.holds(found, rate):
                if rate >= most:
                    return most
                below, state = rate, found
            else:
                above = rate
            if not below:
                rate = above / _STRIDE
            else:
                rate = min(most, _STRIDE * below) if above > most else float(np.sqrt(below * above))
        return float(np.sqrt(below * above))

    def rate_of_noise(self) -> float:
        """Return the rate at which, to first order, as much noise is held as one of the concepts."""
        state = self._next(self._noiseless(), rate := 1e-6 / float(self.values[0]))
        return rate / float(np.max(state.noise.sum(axis=0) / self.values))

    def _noiseless(self) -> Settled:
        xp = self._xp
        return Settled(xp.diag(self.values), xp.zeros(self.squares.shape), self.values, xp.inf)

    def _next(self, now: Settled, rate: AnyArray | float) -> Settled:
        """Return the state whose noise is what the vectors of the last one cause."""
        xp, own = self._xp, self._xp.diag(now.held)
        among = now.held - xp.diag(own)
        mean = self._vectors * xp.sqrt(xp.maximum(own, 0))
        vectors = Vectors(mean, now.noise + self.squares @ among, self.signs, now.strength)
        kicks = self.kicks.on(vectors)
        outside = self.rest[:, None] * kicks
        sums = outside.sum(axis=0)
        count = self.counts.sum()
        # Of concepts l in directions k; a concept that is held in its own direction is held back elsewhere.
        poles = xp.where(xp.eye(len(own)) > 0, self.values, (self.values - own)[:, None])
        within = rate * (self.squares.T @ kicks) / 2
        around = rate * sums / xp.where(count > 0, count, 1.0) / 2
        top = poles.max(axis=0)
        above = self._above(poles - top, top, within, around, rate)
        strength = top + above
        noise = self._outside(strength, around, rate)[0]
        share = noise / xp.where(sums > 0, sums, 1.0)
        held = within / xp.where(xp.eye(len(own)) > 0, 1.0, above + (top - poles))
        others = (held - xp.diag(xp.diag(held))).sum(axis=0)
        held = held + xp.diag(xp.maximum(strength - noise - others, 0) - xp.diag(held))
        spread = share * outside
        change = xp.abs(spread - now.noise).sum() / xp.maximum(spread.sum(), 1e-3 * rate)
        change = change + xp.abs(strength / now.strength - 1).max()
        return Settled(held, spread, strength, change)

    def _curvature(self, state: Settled) -> float:
        """Return the largest curvature of the loss of one block, its mean over random blocks."""
        if self.blocking is None:
            return 0.0
        count, rows, columns = self.blocking
        V, drawn, found = len(self.squares), np.random.default_rng(0), []
        W = np.asarray(self._vectors) * np.sqrt(np.diag(state.held))
        for size in (rows, columns):
            words = drawn.integers(V, size=(_BLOCKS, size))
            some = W[words] + np.sqrt(np.maximum(state.noise[words], 0)) * drawn.normal(size=W[words].shape)
            found.append(np.linalg.eigvalsh(np.swapaxes(some, 1, 2) @ some)[:, -1].mean())
        return float(V**2 / (count * rows * columns) * np.mean(found))

    @property
    def _vectors(self) -> AnyArray:
        return self.kicks.pairs.vectors

    @property
    def _xp(self) -> ModuleType:
        return namespace(self.values, self.squares)

    def _above(
        self, poles: AnyArray, top: AnyArray, within: AnyArray, around: AnyArray, rate: AnyArray | float
    ) -> AnyArray:
        """Return by how much `h_k` is above the `top` of its poles, below which the others are `poles`.

        The largest `h_k` with `h_k = sum_l within_lk / (h_k - pole_lk) + noise of the rest`. Its distance
        is what is solved for: of small rates it is rounding beside `h_k`.
        """
        xp = self._xp
        # Each term alone asks for this much; from below Newton's method does not overshoot.
        at = poles + top
        alone = 2 * within / (xp.sqrt(at**2 + 4 * within) + xp.abs(at)) + xp.maximum(-at, 0)
        found = (alone + poles).max(axis=0)
        for _ in range(_NEWTON):
            noise, slope = self._outside(top + found, around, rate)
            inside = within / (found - poles)
            residual = top + found - noise - inside.sum(axis=0)
            found = found - residual / (1 - slope + (inside / (found - poles)).sum(axis=0))
        return found

    def _outside(
        self, strength: AnyArray, around: AnyArray, rate: AnyArray | float
    ) -> tuple[AnyArray, AnyArray]:
        """Return the noise outside of the concepts in each direction, and its slope in `h_k`."""
        xp = self._xp
        pull = strength[:, None] - self.nodes
        # Of finite steps: `1 - (1 - pull)^2` in place of `2 pull`; none settles at 2.
        left = 1 - self.speed * rate * pull / 2
        each = xp.where(left > 0, self.counts / (pull * xp.where(left > 0, left, 1.0)), xp.inf)
        slope = -each * (1 / pull - self.speed * rate / (2 * xp.where(left > 0, left, 1.0)))
        return around * each.sum(axis=1), around * slope.sum(axis=1)


@checked
def expected_overlap(
    problem: Problem,
    dim: int,
    *,
    learning_rate: float,
    batch_size: int,
    sampler: str = "corpus",
    spectrum: Spectrum | None = None,
) -> Float[Array, ""]:
    """Return the subspace overlap with the first `dim` concepts at which SGD settles.

        overlap = mean over k of 1 - N_k / h_k

    Minibatches turn directions: each adds to the vectors of words what gradients then take away. With
    `D_ik` the variance that a batch adds to word `i` along direction `k`, `nu` the eigenvalues that are not
    among the concepts, and `h_k` the strength of the direction, the sum of second moments over all words
    (tied; untied weights have half of the noise and of the pull):

        N_k = sum_nu eta D_k(nu) / ((h_k - nu) (2 - eta (h_k - nu)))      noise
        h_k = N_k + sum_l eta D_kl / (2 (h_k - lambda_l + s_l^2))         noise and concepts

    `h_k` is `lambda_k` while the concept holds, so that its share of it falls from 1 by about
    `sum_nu eta D_k / (2 lambda_k (lambda_k - nu))`; above it the concept is lost. `D` grows with the
    noise, as slopes do: both are solved for together, the noise being taken as Gaussian and independent
    between words. Within 0.05 of SGD (see docs/limits.md).

    Args:
        problem: quartic and at constant `G`, made from statistics; tied or untied.
        dim: embedding dimension: how many concepts are learned.
        learning_rate, batch_size, sampler: as in `run_sgd`.
        spectrum: at least `dim` leading eigenpairs, if at hand; untied: `extreme_eigenpairs`.

    Returns:
        The overlap as `subspace_overlap` measures it; `dim / V` is chance. NaN above `mean_square_limit`.

    Raises:
        ValueError: as `stationary_noise`.
    """
    problem.require_solvable("expected_overlap")
    check_positive("learning_rate", learning_rate)
    balance = Balance.of(problem, dim, batch_size, sampler, spectrum)
    return jnp.asarray(balance.settle(learning_rate, tolerance=_EXACT).overlap)


@checked
def mean_square_limit(
    problem: Problem,
    dim: int,
    *,
    batch_size: int,
    sampler: str = "corpus",
    spectrum: Spectrum | None = None,
) -> float:
    """Return the learning rate above which the noise of minibatches lets SGD diverge.

    The least of three: `stability_limit`, which is that of full batches; the rate above which noise that
    causes noise finds no balance (see `expected_overlap`), to a tenth; and for blocks `2 / h`, with `h` the
    largest curvature of the loss of one block, averaged over blocks. SGD was seen to diverge at 0.7 to 1.4
    times it (see docs/limits.md). Far below it most of what is held can be noise: ask `expected_overlap`.

    Args:
        problem, dim, batch_size, sampler, spectrum: as in `expected_overlap`.

    Raises:
        ValueError: as `expected_overlap`.
    """
    problem.require_solvable("mean_square_limit")
    balance = Balance.of(problem, dim, batch_size, sampler, spectrum)
    return balance.limit(balance.rate_of_noise(), float(stability_limit(problem)))
