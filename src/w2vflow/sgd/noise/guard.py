"""The guard of runs against minibatches whose noise leaves nothing settled."""

import warnings

import numpy as np

from w2vflow.problem import Problem
from w2vflow.sgd.noise.settled import Balance
from w2vflow.spectrum import Spectrum, learned_eigenpairs
from w2vflow.support.checks import argument_error
from w2vflow.support.static import remembered

__all__ = ["check_noise"]

# Words up to which a check takes the whole eigenbasis.
_DENSE = 1024
# Overlap below which a run is warned of.
_MOSTLY_NOISE = 0.5
# SGD was seen to diverge at up to 1.36 times the limit, never above (`validation/noise.py`).
_SURE = 1.5


def check_noise(
    problem: Problem, dim: int, rate: float, batch_size: int, sampler: str, *, start: float, until: float
) -> None:
    """Refuse a rate clearly above `mean_square_limit`, and warn of one at which noise prevails.

    A run that ends before a concept is learned has not settled, and is not judged.

    Args:
        problem, dim, rate, batch_size, sampler: of the run.
        start: typical squared length of the initial weights along a direction.
        until: time at which it ends.

    Raises:
        ValueError: SGD has no settled state at a rate 1.5 times smaller.

    Warns:
        RuntimeWarning: it has none at this rate, or its expected overlap with the concepts is below a half.
    """

    concepts = remembered(problem, f"learnable {dim}", lambda: _learnable(problem, dim))
    if not len(concepts.eigenvalues):
        return
    largest = float(np.abs(concepts.eigenvalues[0]))
    if until < np.log(max(largest / max(start, np.finfo(float).tiny), 1.0)) / (2 * largest * problem.speed):
        return

    def found() -> tuple[bool, bool, float]:
        balance = Balance.of(problem, len(concepts.eigenvalues), batch_size, sampler, concepts)
        state = balance.settle(rate)
        holds = balance.holds(state, rate)
        below = holds or balance.holds(balance.settle(rate / _SURE), rate / _SURE)
        return holds, below, float(state.overlap)

    name = f"settled {dim} {rate} {batch_size} {sampler}"
    # Where nothing settles, numbers on the way overflow.
    with np.errstate(all="ignore"):
        holds, below, overlap = remembered(problem, name, found)
    remedy = "Use a smaller `learning_rate` or a larger `batch_size`; `recommended_learning_rate` names one."
    pairs = f"{batch_size} {sampler!r} pairs"
    if not below:
        expected = f"below `mean_square_limit`, above which SGD on {pairs} diverges"
        raise argument_error("learning_rate", expected, rate, remedy)
    if not holds:
        said = f"this `learning_rate` is above `mean_square_limit`, near which SGD on {pairs} diverges"
    elif overlap < _MOSTLY_NOISE:
        said = (
            f"at this `learning_rate` the weights settle with an overlap of {overlap:.2g} with the concepts: "
            "the rest is noise of minibatches (`expected_overlap`)"
        )
    else:
        return
    warnings.warn(f"{said}. {remedy}", RuntimeWarning, stacklevel=2)


def _learnable(problem: Problem, dim: int) -> Spectrum:
    """Return the concepts that are learned, at most `dim`, the rest of the spectrum as its density."""
    size = problem.vocab_size
    if size <= _DENSE:
        # Far quicker than to compile an iteration that finds a few.
        values, vectors = np.linalg.eigh(np.asarray(problem.target(), np.float64))
        order = np.argsort(-values if problem.tied else -np.abs(values), kind="stable")
        none = np.zeros(0)
        basis = Spectrum(values[order], vectors[:, order], np.zeros(size), none, none)
    else:
        basis = learned_eigenpairs(problem, min(dim, size))
    values = np.asarray(basis.eigenvalues)
    count = int(np.sum(values > 0 if problem.tied else values != 0))
    return basis.leading(min(dim, count))
