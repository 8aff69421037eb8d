"""First-order sensitivity of eigenvalues to counts, and of step times to eigenvalues."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse

from w2vflow.problem import Problem
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, floats_at_hand, is_known, namespace
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import check_fits

__all__ = [
    "CountSlopes",
    "changed_step_times",
    "count_slopes",
    "step_time_slopes",
]

Host = np.ndarray


class CountSlopes(NamedTuple):
    """How `M*` at constant `G` hangs on the counts, to first order.

        dM_ij = E_ij dn_ij - H_ij (dn_i / n_i + dn_j / n_j - dN / N),
        E = 4 e / (n + e)^2,  H = n E = 1 - M*^2 / 4,  e_ij = n_i n_j / N,  n_i = sum_j n_ij

    Attributes:
        counts: `n`, float64.
        slopes: `E` of the pairs seen; those never seen have `H = 0`, and `E = 4 / e`.
        totals: `n_i`, `(V,)`.
    """

    counts: sparse.csr_array
    slopes: sparse.csr_array
    totals: Float[Host, " V"]

    def places(self) -> tuple[Host, Host]:
        """Return the rows and columns of the pairs seen."""
        return np.repeat(np.arange(len(self.totals)), np.diff(self.counts.indptr)), self.counts.indices

    def mean_slopes(self, vectors: Host, margins: Host, constants: Host) -> Host:
        """Return `D^aa_ij` of the pairs seen (see `margins`), the mean over the columns of vectors."""
        rows, columns = self.places()
        each = [
            self.slopes.data * (v[rows] * v[columns]) - (v * q)[rows] - (v * q)[columns] + constant
            for v, q, constant in zip(vectors.T, margins.T, constants, strict=True)
        ]
        return np.mean(each, axis=0)

    def both_orders(self, values: Host) -> Float[Host, "V V"]:
        """Return values of the pairs seen as a dense matrix, those of two different words twice."""
        size = len(self.totals)
        check_fits("problem", f"a matrix of {size} x {size} pairs", 8 * size**2, "Use fewer words.")
        found = sparse.csr_array((2 * values, self.counts.indices, self.counts.indptr), self.counts.shape)
        dense = found.toarray()
        dense[np.diag_indices(size)] /= 2
        return dense

    def curvature(self) -> sparse.csr_array:
        """Return `H`, the slope of `M*_ij` in the PMI of the pair."""
        return sparse.csr_array(
            (self.counts.data * self.slopes.data, self.counts.indices, self.counts.indptr), self.counts.shape
        )

    def margins(self, vectors: Float[Host, "V K"]) -> tuple[Float[Host, "V K"], Float[Host, "K K"]]:
        """Return `q = H v / n_i` and `c = v^T H v / N`.

        With them, `d(v_a^T M* v_b) = sum_ij D^ab_ij dn_ij`, over both orders of a pair, and

            D^ab_ij = E_ij (v_ia v_jb + v_ib v_ja) / 2 + c_ab
                      - (v_ia q_ib + q_ia v_ib + v_ja q_jb + q_ja v_jb) / 2
        """
        image = self.curvature() @ vectors
        return image / self.totals[:, None], vectors.T @ image / self.totals.sum()


def count_slopes(problem: Problem, vectors: Float[Host, "V K"], function: str) -> CountSlopes:
    """Return how `M*` hangs on the counts of a problem.

    Raises:
        ValueError: the problem is not quartic and at constant `G`, or made from a matrix; or the
            eigenvectors are those of another vocabulary.
    """
    problem.require_solvable(function)
    if not is_known(problem, vectors):
        remedy = (
            "Within `jit`, `vmap` or `grad` eigenvalues are differentiated themselves: `leading_eigenpairs`."
        )
        raise argument_error("problem", "known", "traced counts or eigenvectors", remedy)
    counts = problem.require_statistics("influences of counts are found").counts.astype(np.float64)
    if len(vectors) != problem.vocab_size:
        expected = f"one of the {problem.vocab_size} words of the problem"
        raise argument_error("spectrum", expected, f"one of {len(vectors)} words")
    totals = np.asarray(counts.sum(axis=1))
    rows = np.repeat(np.arange(len(totals)), np.diff(counts.indptr))
    expected = totals[rows] * totals[counts.indices] / totals.sum()
    slopes = 4 * expected / (counts.data + expected) ** 2
    return CountSlopes(
        counts, sparse.csr_array((slopes, counts.indices, counts.indptr), counts.shape), totals
    )


@checked
def step_time_slopes(eigenvalues: ArrayLike, step_times: ArrayLike, *, sides: int = 1) -> AnyArray:
    """Return `dt_k / d lambda_k` at fixed initial strength, of the step times of `predict_step_times`.

        dt / d lambda = (t / lambda) [(1 + e^-x) / x - 1],   x = 2 |lambda| t / sides = ln(|lambda| / R^2 - 1)

    Also that of the mean over seeds in `step_time_law`, but for `R^2 / lambda`. The overlaps `R` are
    held: a change of the corpus turns the concepts a little as well, which changes the `R` of one seed
    but not their law over seeds.

    Args:
        eigenvalues: `lambda_k`, `(k,)`.
        step_times: `t_k`, `(..., k)`.
        sides: 1 for tied weights, 2 for untied.

    Raises:
        ValueError: not all times are positive.
    """
    values, times, exponents = _checked_times(eigenvalues, step_times, sides)
    return times / values * ((1 + namespace(exponents).exp(-exponents)) / exponents - 1)


@checked
def changed_step_times(
    eigenvalues: ArrayLike, step_times: ArrayLike, changed: ArrayLike, *, sides: int = 1
) -> AnyArray:
    """Return the step times with other eigenvalues and the same initial strengths.

        t'_k = ln(lambda'_k / R_k^2 - 1) / (2 lambda'_k),   R_k^2 = lambda_k / (e^(2 lambda_k t_k) + 1)

    and half the rate for untied weights. The finite form of `step_time_slopes`, of the same reach.

    Args:
        eigenvalues, step_times, sides: as of `step_time_slopes`.
        changed: `lambda'_k`, `(..., k)`.

    Returns:
        NaN where `lambda'_k` has the other sign or is below `R_k^2`: the step never comes.

    Raises:
        ValueError: not all times are positive.
    """
    eigenvalues, step_times, changed = floats_at_hand(eigenvalues, step_times, changed)
    values, _, exponents = _checked_times(eigenvalues, step_times, sides)
    if changed.shape[-1:] != values.shape:
        expected = f"of shape (..., {len(values)}), one for each eigenvalue"
        raise argument_error("changed", expected, f"shape {changed.shape}")
    ratio = changed / values
    xp = namespace(ratio, exponents)
    logarithm = xp.log(xp.where(ratio > 0, ratio, np.nan)) + xp.logaddexp(exponents, 0)
    logarithm = xp.where(logarithm > 0, logarithm, np.nan)
    return (logarithm + xp.log1p(-xp.exp(-logarithm))) * sides / (2 * xp.abs(values * ratio))


def _checked_times(eigenvalues: Any, step_times: Any, sides: int) -> tuple[AnyArray, AnyArray, AnyArray]:
    values, times = floats_at_hand(eigenvalues, step_times)
    if values.ndim != 1 or not values.size:
        raise argument_error("eigenvalues", "of shape (k,)", f"shape {values.shape}")
    if times.shape[-1:] != values.shape:
        expected = f"of shape (..., {len(values)}), one for each eigenvalue"
        raise argument_error("step_times", expected, f"shape {times.shape}")
    if is_known(values) and not (np.isfinite(values) & (values != 0)).all():
        raise argument_error("eigenvalues", "finite and not 0", values)
    if is_known(times) and not ((times > 0) & np.isfinite(times)).all():
        remedy = "Leave out concepts that are learned from the start, or never."
        bad = times[~((times > 0) & np.isfinite(times))][0]
        raise argument_error("step_times", "positive and finite", bad, remedy)
    return values, times, 2 * abs(values) * times / sides
