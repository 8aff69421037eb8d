"""Exact solution over several phases: schedules, another corpus in mid-training, weight decay."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.problem import Problem
from w2vflow.results import Trajectory
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error, check_times, check_weights
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import check_embeddings_fit
from w2vflow.theory.exact.evolution import (
    Observed,
    Rates,
    State,
    basis_for,
    evolve,
    state_of,
    trajectory_of,
)

__all__ = ["Phase", "predict_phases"]


@checked
class Phase(eqx.Module):
    """A stretch of training under one problem and one setting.

    Attributes:
        problem: what is learned in it.
        ts: times `(T,)` from the beginning of the phase, increasing; it ends at the last one.
        learning_rate: step size of the descent to predict; 0 for the gradient flow.
        weight_decay: `kappa` of `dW/dt = -dL/dW - kappa W`.
        spectrum: eigenpairs of the problem, if at hand, as for `predict`.
    """

    problem: Problem
    ts: ArrayLike
    learning_rate: float = 0.0
    weight_decay: float = 0.0
    spectrum: Spectrum | None = None


@checked
def predict_phases(phases: Sequence[Phase], W0: ArrayLike, *, save_embeddings: bool = False) -> Trajectory:
    """Return the trajectory through phases in closed form, each starting where the one before ends.

    The exact solution is a semigroup: a phase cut in two gives the same as the whole. So it covers
    learning rates that are constant piece by piece (each phase is corrected for its own), another corpus
    in mid-training, and weight decay switched on or off. To cut a phase of descent is right to second
    order in the step size, as the whole is.

    With leading eigenpairs alone, the semigroup stays exact where the next phase has the same problem.
    Where it changes, the weights are taken over as they are predicted, approximately outside the leading
    eigenvectors, and the rest again to lie without preference in the rest of the new spectrum.

    Args:
        phases: one or more, all of one vocabulary, and all tied or all untied.
        W0: initial weights, as for `predict`.
        save_embeddings: as for `predict`.

    Returns:
        Trajectory on one time axis from the beginning of the first phase. A first time 0 of a later
        phase, which repeats the end of the one before, is left out. The loss is that of the problem
        of each phase. There is no `error_bound` over several phases.

    Raises:
        ValueError: no phases, different vocabulary sizes, tied and untied weights, or arguments that
            `predict` refuses.

    Warns:
        RuntimeWarning: as `predict`, of untied weights at the beginning of a phase.
    """
    weights, stretches = _checked(phases, W0)
    several = len(phases) > 1
    seeds = weights if weights.ndim == 3 else weights[None]
    if save_embeddings:
        check_embeddings_fit(len(seeds), sum(map(len, stretches)), *seeds.shape[1:])
    bases: dict[int, Spectrum] = {}
    parts, kept, offset, state, held = [], [], jnp.zeros(()), None, None
    for number, (phase, times) in enumerate(zip(phases, stretches, strict=True)):
        rates = Rates(phase.learning_rate, phase.weight_decay).check(phase.problem)
        given = bases.get(id(phase.problem)) if phase.spectrum is None else phase.spectrum
        basis = bases[id(phase.problem)] = basis_for(phase.problem, seeds.shape[-1], given)
        if state is None or held is not basis:
            seeds = seeds if state is None else state.to_words(state.overlaps[:, None])[:, 0]
            state, held = state_of(basis, seeds, keep_frame=save_embeddings or several), basis
        observed = evolve(phase.problem, state, times, rates, save_embeddings)
        # What is known to repeat the end of the phase before.
        new = slice(1 if number and is_known(phase.ts) and np.ravel(phase.ts)[0] == 0 else 0, None)
        words = state.to_words(observed.factors[:, new]) if observed.factors is not None else None
        parts.append((offset + times[new], observed.values[:, new], observed.loss[:, new], words))
        kept.append((len(basis.eigenvalues), observed.bound))
        if number + 1 < len(phases):
            state = _end(phase.problem, state, observed, times[-1], rates)
            offset = offset + times[-1]
    return _joined(phases, parts, kept, 0 if weights.ndim == 2 else slice(None))


def _checked(phases: Sequence[Phase], W0: Any) -> tuple[Float[Array, "*s n d"], list[Float[Array, " T"]]]:
    """Return the weights, and the times of each phase."""
    if not len(phases):
        raise argument_error("phases", "one or more phases", "none")
    size, tied = phases[0].problem.vocab_size, phases[0].problem.tied
    for number, phase in enumerate(phases):
        phase.problem.require_solvable("predict_phases")
        if phase.problem.vocab_size != size:
            expected = f"of one vocabulary, of {size} words as the first"
            got = f"{phase.problem.vocab_size} words in phase {number}"
            raise argument_error("phases", expected, got, "Count both corpora with the same words.")
        if phase.problem.tied != tied:
            expected = f"all {'tied' if tied else 'untied'}, as the first"
            raise argument_error("phases", expected, f"phase {number}, which is not")
    return check_weights(W0, size, phases[0].problem.sides), [check_times(phase.ts) for phase in phases]


def _end(problem: Problem, state: State, observed: Observed, end: Float[Array, ""], rates: Rates) -> State:
    """Return the state at the end of a phase."""
    factors: Any = observed.factors
    if factors is None:
        factors = evolve(problem, state, end[None], rates, True).factors
    return state.after(end, factors[:, -1], rates)


def _joined(phases: Sequence[Phase], parts: list, bases: list, axis: int | slice) -> Trajectory:
    """Return the trajectory made of the parts."""
    times, *seen = zip(*parts, strict=True)
    joined = [jnp.concatenate(part, axis=1) if part[0] is not None else None for part in seen]
    complete = all(part is None for _, part in bases)
    described = [Rates(phase.learning_rate, phase.weight_decay).described() for phase in phases]
    about = {
        "method": "exact Riccati solution" + ("" if complete else ", leading eigenpairs"),
        "eigenpairs": [pairs for pairs, _ in bases],
        "phase_ends": np.cumsum([float(np.max(phase.ts)) for phase in phases]).tolist()
        if is_known([phase.ts for phase in phases])
        else "traced",
        **{name: [rates[name] for rates in described] for name in described[0]},
        "problem": [phase.problem.describe() for phase in phases],
    }
    bound = bases[0][1] if len(phases) == 1 else None
    return trajectory_of(phases[0].problem, jnp.concatenate(times), (*joined, bound), axis, about)
