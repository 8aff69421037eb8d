"""`predict`: the exact solution of the gradient flow for any initial weights."""

from typing import Any

from w2vflow.problem import Problem
from w2vflow.results import Trajectory
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import check_times, check_weights
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import check_embeddings_fit
from w2vflow.theory.exact.evolution import Rates, basis_for, evolve, state_of, trajectory_of

__all__ = ["predict"]


@checked
def predict(
    problem: Problem,
    W0: ArrayLike,
    ts: ArrayLike,
    *,
    learning_rate: float = 0.0,
    weight_decay: float = 0.0,
    spectrum: Spectrum | None = None,
    save_embeddings: bool = False,
) -> Trajectory:
    """Return the trajectory from any initial weights in closed form, without integrating anything.

    At `learning_rate = 0` this is the exact solution of `dW/dt = (M* - W W^T) W`, to rounding, at
    any time. Otherwise it describes gradient descent of that step size to first order in it:
    each mode grows at `l_k = ln(1 + eta lambda_k) / eta` and runs ahead by
    `o_k(t) = -3/4 eta ln(1 - s_k^2(t) / lambda_k)` as it saturates. Its error is of second order
    in `eta lambda_1`; joint learning of near-degenerate modes is corrected only on average.

    Untied weights follow the same equation in a matrix twice as tall, at half the speed, exactly where
    `W^T W - C^T C = lam I` at the start (`balanced_init`). They learn negative eigenvalues as fast as
    positive ones, with opposed vectors of words and contexts. Other starts are taken along to first
    order in `D - lam I`, `D = W^T W - C^T C`, whose norm over the largest `|lambda|` is
    `metadata["imbalance_over_lambda_1"]` (see docs/predictions.md, "Two matrices").

    With the complete eigenbasis nothing is left out. With leading eigenpairs alone, the rest of the
    start is taken to lie without preference in the rest of the spectrum, whose density the pairs
    come with; `error_bound` of the result says how far off `s_k^2` can be at most (of the closed
    form; nothing is said about descent). It holds for exact eigenpairs and without rounding.

    Args:
        problem: quartic, constant `G`, tied or untied.
        W0: initial weights `(V, dim)`, or `(S, V, dim)` for an ensemble. Of words and contexts where
            they are untied: `(2, V, dim)` or `(S, 2, V, dim)`.
        ts: times `(T,)`, increasing; the first may be 0.
        learning_rate: step size `eta` of the descent to predict; 0 for the gradient flow.
        weight_decay: `kappa` of `dW/dt = -dL/dW - kappa W`: concepts with `lambda_k < kappa` are never
            learned and the others only to `s_k^2 = lambda_k - kappa`; untied to `|lambda_k| - 2 kappa`.
            The loss returned is `L(W)` all the same.
        spectrum: at least `dim` leading eigenpairs, if at hand. By default all of them up to 3,000
            words, and the leading `4 dim + 100` beyond. Untied weights need all of them.
        save_embeddings: keep `W(t)`, and `C(t)` of untied weights, right up to one rotation of their
            columns at each time. The part outside of leading eigenpairs is approximate after time 0:
            it keeps its shape, and only its size is predicted.

    Raises:
        ValueError: the problem is not quartic and at constant `G`, an argument does not fit it, or the
            step size is at or above `stability_limit`, where descent diverges.

    Warns:
        RuntimeWarning: `||D - lam I||` of untied weights is more than 1% of the least `|lambda_k|` learned.

    References:
        Yan, Helmke and Moore 1994 (this Riccati flow); Braun et al. 2022 (its closed form in learning);
        arXiv 2502.09863 treats the aligned start.

    Example:
        >>> import jax, numpy as np
        >>> jax.config.update("jax_enable_x64", True)
        >>> from w2vflow.counts.statistics import CooccurrenceStatistics
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[9, 1], [1, 9]]), np.array([1, 1]))
        >>> problem = Problem.from_statistics(stats)
        >>> exact = predict(problem, np.array([[1e-6], [-2e-6]]), [0, 7, 20])
        >>> (exact.singular_values[:, 0] ** 2).round(3).tolist()
        [0.0, 0.903, 1.905]
    """
    problem.require_solvable("predict")
    weights, times = check_weights(W0, problem.vocab_size, problem.sides), check_times(ts)
    rates = Rates(learning_rate, weight_decay).check(problem)
    basis = basis_for(problem, weights.shape[-1], spectrum)
    seeds = weights if weights.ndim == 3 else weights[None]
    if save_embeddings:
        check_embeddings_fit(len(seeds), len(times), *seeds.shape[1:])
    state = state_of(basis, seeds, keep_frame=save_embeddings)
    values, loss, factors, bound, imbalance = evolve(problem, state, times, rates, save_embeddings)
    words = state.to_words(factors) if factors is not None else None
    metadata: dict[str, Any] = {
        "method": "exact Riccati solution" + (", leading eigenpairs" if bound is not None else ""),
        "eigenpairs": len(basis.eigenvalues),
        **rates.described(),
        "problem": problem.describe(),
    }
    # Numbers of a traced prediction are not known yet.
    if bound is not None and is_known(bound, basis):
        metadata["largest_error_bound_over_lambda_1"] = float(bound.max()) / float(basis.eigenvalues[0])
    if imbalance is not None and is_known(imbalance):
        metadata["imbalance_over_lambda_1"] = float(imbalance)
    axis = 0 if weights.ndim == 2 else slice(None)
    return trajectory_of(problem, times, (values, loss, words, bound), axis, metadata)
