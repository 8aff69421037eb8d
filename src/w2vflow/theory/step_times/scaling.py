"""Visible steps, silent alignment, rank over time, power laws."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from w2vflow.problem import Problem
from w2vflow.results import Trajectory
from w2vflow.spectrum import Spectrum, check_origin
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, at_hand, floats_at_hand, is_known, namespace
from w2vflow.support.checks import argument_error, check_times
from w2vflow.support.kinds import ArrayLike
from w2vflow.theory.step_times.modes import modes_of

__all__ = [
    "PowerLaw",
    "effective_rank",
    "fit_power_law",
    "participation_ratio",
    "predict_rank",
    "silent_alignment",
    "step_visibility",
    "visible_steps",
]


@checked
def step_visibility(
    problem: Problem, step_times: ArrayLike, *, spectrum: Spectrum | None = None
) -> Float[AnyArray, "*s k"]:
    """Return how far each step is from the next, over how long it takes itself, `([S,] k - 1)`.

        (t_(k+1) - t_k) / (ln 81 / (2 lambda_k))

    The rise from 10% to 90% of `lambda_k` takes `ln 81 / (2 lambda_k)`, untied `ln 81 / |lambda_k|`. Above
    1 the next concept is at half when this one has been learned: the loss shows a plateau between
    them. Below, steps run into each other, and the law of step times with them. Exact for sigmoids; what
    joint learning does to the width of a step is not in it.

    Args:
        problem: quartic, at constant `G`; tied or untied.
        step_times: half-rise times `([S,] k)` of the first k concepts: predicted, measured, or a law's mean.
        spectrum: eigenpairs, at least k, if at hand, as in `predict_step_times`.

    Raises:
        ValueError: the problem is not quartic and at constant `G`, or there are fewer than two times.
    """
    problem.require_solvable("step_visibility")
    shape = np.shape(step_times)
    if len(shape) not in (1, 2) or shape[-1] < 2:
        raise argument_error("step_times", "of shape ([seeds,] concepts), at least 2", f"shape {shape}")
    modes = modes_of(problem, shape[-1], spectrum)
    times, sizes = floats_at_hand(step_times, modes.sizes[: shape[-1] - 1])
    held = modes.held[: shape[-1] - 1]
    xp = namespace(times, sizes)
    return xp.diff(times, axis=-1) * 2 * modes.speed * xp.where(held, sizes, np.nan) / np.log(81)


@checked
def visible_steps(visibility: ArrayLike) -> Int[AnyArray, "*s"]:
    """Return how many steps are seen one after the other before two run into each other, `([S],)`.

    The number of leading entries of `step_visibility` that are 1 or more. A power law
    `lambda_k ~ k^-a` shows some `a ln(lambda_k / scale^2) / 4.4` of them, however many concepts there are.
    """
    (seen,) = floats_at_hand(visibility)
    return namespace(seen).cumprod(seen >= 1, axis=-1).sum(axis=-1)


@checked
def silent_alignment(
    problem: Problem, dim: int, scale: float, *, spectrum: Spectrum | None = None
) -> Float[AnyArray, " k"]:
    """Return by how many e-folds each concept aligns before it is seen to rise, `(dim - 1,)`.

        (1 - lambda_(k+1) / lambda_k) ln(lambda_k / scale^2) / 2

    While all is small the weights turn towards the larger of two concepts as `e^-((lambda_k -
    lambda_(k+1)) t)`, until its half-rise at `t = ln(lambda_k / scale^2) / (2 lambda_k)`. Well above 1,
    concept k is a direction of its own before it shows in the loss (silent alignment); below 1 it is still
    mixed with the next. The same tied or untied. Leading order: single seeds differ as their overlaps do.

    Args:
        problem: quartic, at constant `G`.
        dim: how many concepts.
        scale: of the start, as in `gaussian_init`.
        spectrum: as in `predict_step_times`.

    Raises:
        ValueError: the problem is not quartic and at constant `G`, `dim` is below 2 or above the number of
            concepts that are ever learned, or the scale is not below `sqrt(lambda_dim)`.

    References:
        Atanasov, Bordelon, Pehlevan (2022), arXiv 2111.00034.
    """
    problem.require_solvable("silent_alignment")
    if not 2 <= dim <= problem.vocab_size:
        raise argument_error("dim", f"between 2 and the vocabulary size {problem.vocab_size}", dim)
    modes = at_hand(modes_of(problem, dim, spectrum))
    sizes = modes.sizes[:dim]
    if is_known(modes, scale):
        learned = int(modes.held.sum())
        if learned < dim:
            raise argument_error("dim", f"at most the {learned} concepts that are ever learned", dim)
        if not 0 < scale < np.sqrt(sizes[-1]):
            expected = f"positive and below the square root of lambda_{dim}, {np.sqrt(sizes[-1]):.3g}"
            remedy = "A start as large as the concepts has no early phase."
            raise argument_error("scale", expected, scale, remedy)
    return (1 - sizes[1:] / sizes[:-1]) * namespace(sizes, scale).log(sizes[:-1] ** 0.5 / scale)


@checked
def effective_rank(traj: Trajectory, spectrum: Spectrum) -> Int[AnyArray, "*s"]:
    """Return how many concepts are learned at each time: the number of `s_k^2 > |lambda_k| / 2`, `([S,] T)`.

    Args:
        traj: of any source.
        spectrum: eigenpairs in learning order; concepts beyond their number or `dim` are not counted.
    """
    check_origin(spectrum, traj.metadata.get("problem"))
    modes = min(traj.dim, len(spectrum.eigenvalues))
    values, eigenvalues = at_hand((traj.singular_values, spectrum.eigenvalues))
    squares, sizes = values[..., :modes] ** 2, abs(eigenvalues[:modes])
    sizes = namespace(squares, sizes).broadcast_to(sizes, squares.shape)
    return ((squares > sizes / 2) & (sizes > 0)).sum(axis=-1)


@checked
def participation_ratio(traj: Trajectory) -> Float[AnyArray, "*s"]:
    """Return the effective rank that needs no spectrum, `(sum s_k^2)^2 / sum s_k^4`, `([S,] T)`.

    Between 1 and `dim`; r for r equal singular values. From `dim V / (dim + V + 1)` at a small Gaussian
    start it falls to 1 as the first concept outgrows the rest, and rises from there.
    """
    (values,) = floats_at_hand(traj.singular_values)
    # In units of the largest: powers of tiny starts would underflow.
    squares = (values / values[..., :1]) ** 2
    return squares.sum(axis=-1) ** 2 / (squares**2).sum(axis=-1)


@checked
def predict_rank(step_times: ArrayLike, ts: ArrayLike) -> Int[AnyArray, "*s"]:
    """Return the effective rank at each time from step times, `([S,] T)`: how many have passed.

        rank(t) = #{k: t_k <= t}

    In the limit of a small start `rank(t) = #{k: lambda_k > ln(lambda_k / scale^2) / (2 t)}`. Step times are
    those of half-rise, `([S,] d)`, NaN for concepts never learned.
    """
    times, at = floats_at_hand(step_times, check_times(ts))
    if times.ndim == 0:
        raise argument_error("step_times", "of shape ([S,] d)", "one number")
    return (times[..., None, :] <= at[:, None]).sum(axis=-1)


@checked
@dataclass(frozen=True)
class PowerLaw:
    """A power law of eigenvalues, `lambda_k = prefactor k^-a`, and what it makes of rank and loss over time.

    Attributes:
        exponent: a.
        error: its standard error; see `fit_power_law`.
        prefactor: `lambda_1` of the law.
    """

    exponent: float
    error: float
    prefactor: float

    @property
    def rank_exponent(self) -> float:
        """`1 / a`: the effective rank grows as `t^(1/a)`.

        Up to logarithms: the local exponent is `1 / (a (1 - 1/L))`, `L = ln(lambda_k / scale^2)`.
        """
        return 1 / self.exponent

    @property
    def loss_exponent(self) -> float:
        """`-(2a - 1) / a`: the loss falls to its limit as this power of time.

        The part not yet learned is `1/4 sum_(k > rank(t)) lambda_k^2`. Up to logarithms, as in
        `rank_exponent`; and while `rank(t)` is far below the dimension, where the power law ends.

        Raises:
            ValueError: `a <= 1/2`, where that sum diverges with the number of words.
        """
        if self.exponent <= 0.5:
            remedy = (
                "The sum of lambda_k^2 then lies in its tail, and grows with the number of words, whatever "
                "is learned: the loss has no exponent. Use the loss of `predict`."
            )
            expected = "above 1/2 for a power law of the loss"
            raise argument_error("exponent", expected, f"{self.exponent:.3g}", remedy)
        return -(2 * self.exponent - 1) / self.exponent


@checked
def fit_power_law(eigenvalues: ArrayLike, *, first: int = 1, last: int | None = None) -> PowerLaw:
    """Return the power law through eigenvalues `first` to `last`, by least squares of `ln lambda` on `ln k`.

    Eigenvalues scatter about a power law smoothly and not independently. The standard error therefore
    counts `n (1 - r) / (1 + r)` of the n residuals as independent, with r the correlation of neighbours.
    It says how well a line fits this range; another range has another exponent.

    Args:
        eigenvalues: falling, `lambda_1` first; sizes of those of an untied problem.
        first: place of the first to use, from 1.
        last: place of the last; all by default.

    Raises:
        ValueError: fewer than 4 eigenvalues in the range, or one of them is not positive.
    """
    values = np.asarray(eigenvalues, np.float64)
    if values.ndim != 1:
        raise argument_error("eigenvalues", "of shape (k,)", f"shape {values.shape}")
    last = len(values) if last is None else last
    if not 1 <= first <= last - 3 <= len(values) - 3:
        expected = f"at least `first` + 3 and at most the {len(values)} eigenvalues"
        raise argument_error("last", expected, f"{first} to {last}")
    used, places = values[first - 1 : last], np.arange(first, last + 1)
    if not (used > 0).all():
        bad = first + int(np.argmax(~(used > 0)))
        raise argument_error("last", f"below the first eigenvalue that is not positive, number {bad}", last)
    x, y = np.log(places) - np.log(places).mean(), np.log(used)
    slope = float(x @ y / (x @ x))
    residuals = y - y.mean() - slope * x
    scatter = float(residuals @ residuals)
    # Rounding alone has no correlation to speak of.
    near = float(residuals[1:] @ residuals[:-1]) / scatter if scatter > 1e-24 * float(y @ y) else 0.0
    independent = len(x) * (1 - max(near, 0.0)) / (1 + max(near, 0.0))
    error = float(np.sqrt(scatter / (x @ x) / max(independent - 2, 1.0)))
    prefactor = float(np.exp(y.mean() - slope * np.log(places).mean()))
    return PowerLaw(-slope, error, prefactor)
