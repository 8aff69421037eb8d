"""The table of transformations: every pure function with arguments at a small size."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from systems import random_statistics

import w2vflow as wf

__all__ = ["PURE", "SIZE", "TABLE", "Row", "corpus"]

SIZE = 24
STATS = random_statistics(SIZE)


class Row(NamedTuple):
    """A function and arguments in which it is transformed.

    Attributes:
        function: of arrays, which returns arrays.
        arguments: floating arrays, in which it is differentiated and mapped over.
        forward: the same function where forward differentiation asks for another one.
        single: whether it computes in float32 in any case.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    forward: Callable[..., Any] | None = None
    single: bool = False


def corpus(change):
    """Statistics of the same pairs, of which each count is `exp` of a symmetric change as large."""
    rows = np.repeat(np.arange(SIZE), np.diff(STATS.indptr))
    symmetric = (change + change.T) / 2
    return STATS.with_values(jnp.asarray(STATS.values) * jnp.exp(symmetric[rows, STATS.indices]))


def weights(sides: int = 1, dim: int = 3) -> np.ndarray:
    """Initial weights of a size at which all terms of the objective count."""
    shape = (SIZE, dim) if sides == 1 else (2, SIZE, dim)
    return np.random.default_rng(1).normal(size=shape)


NO_CHANGE = np.zeros((SIZE, SIZE))
PROBLEMS: dict[str, dict[str, Any]] = {
    "dense": {},
    "sparse": {"matrix": "sparse"},
    "logistic": {"loss": "logistic"},
    "logistic, sparse": {"loss": "logistic", "matrix": "sparse"},
    "word2vec": {"weighting": wf.Mikolov(), "loss": "logistic", "tied": False},
    "word2vec, sparse": {"weighting": wf.Mikolov(), "loss": "taylor(4)", "tied": False, "matrix": "sparse"},
    "untied": {"tied": False},
    "rank one": {"weighting": wf.RankOne(0.3)},
    "plain, sparse": {"weighting": wf.Plain(), "matrix": "sparse"},
    "unigram": {"weighting": wf.Unigram()},
    "symmetrised": {"weighting": wf.Symmetrized(wf.Mikolov())},
    "own weights": {"weighting": wf.Custom(np.ones((SIZE, SIZE)), lambda pair, product: 1 + pair)},
}


def objective_of(settings: dict[str, Any]) -> Row:
    """Loss, gradient and velocity, in the counts and in the weights."""

    def function(change: Any, W: Any) -> Any:
        problem = wf.Problem.from_statistics(corpus(change), **settings)
        return problem.loss(W), problem.gradient(W), problem.velocity(W)

    return Row(function, (NO_CHANGE, weights(1 if settings.get("tied", True) else 2)))


def target_of(change: Any, **settings: Any) -> Any:
    return wf.Problem.from_statistics(corpus(change), **settings).target()


def sums_of(change: Any) -> Any:
    """What samplers ask of weights of every kind."""
    stats, kinds = corpus(change), (wf.Uniform(), wf.Plain(), wf.Mikolov())
    weights = [kind.pair_weights(stats).normalised() for kind in kinds]
    return [(one.sums(), one.total(), one.target_norm_squared(), one.dense_target()) for one in weights]


def loss_of_target(root: Any, W: Any) -> Any:
    return wf.Problem.from_target(root + root.T).loss(W)


def problem_of(change: Any, **settings: Any) -> wf.Problem:
    return wf.Problem.from_statistics(corpus(change), **settings)


def small(sides: int = 1) -> np.ndarray:
    """A start from which concepts are learned one by one."""
    return 1e-2 * weights(sides)


def pairs_of(change: Any) -> Any:
    """Eigenpairs as what does not hang on a basis; their error bounds and the rest have no derivative."""
    leading = wf.leading_eigenpairs(problem_of(change), 4)
    extreme = wf.extreme_eigenpairs(problem_of(change, matrix="sparse"), SIZE)
    return [(pairs.eigenvalues, pairs.eigenvectors**2) for pairs in (leading, extreme)]


def predicted(traj: wf.Trajectory) -> Any:
    return traj.singular_values, traj.loss


def predict_leading(change: Any, W0: Any, unit: Any) -> Any:
    problem = problem_of(change)
    return predicted(wf.predict(problem, W0, unit * TIMES, spectrum=wf.leading_eigenpairs(problem, 9)))


def predict_weights(change: Any, W0: Any) -> Any:
    W = wf.predict(problem_of(change), W0, [0.0, 0.3, 1.0], save_embeddings=True).embeddings
    return jnp.einsum("tvd,twd->tvw", W, W)


def predict_two_phases(change: Any, W0: Any, decay: Any) -> Any:
    first = wf.Phase(problem_of(change), [0.2, 0.5])
    second = wf.Phase(problem_of(-change), [0.0, 0.4], weight_decay=decay)
    return predicted(wf.predict_phases([first, second], W0))


def flow(change: Any, W0: Any, adjoint: Any = None, **settings: Any) -> Any:
    problem = problem_of(change, loss=settings.pop("loss", "quartic"))
    return predicted(wf.solve_flow(problem, W0, FLOW_TIMES, adjoint=adjoint, rtol=1e-11, **settings))


def flow_row(**settings: Any) -> Row:
    forward = dfx.ForwardMode()
    return Row(
        lambda change, W0: flow(change, W0, **settings),
        (NO_CHANGE, small()),
        lambda change, W0: flow(change, W0, forward, **settings),
    )


def measured(change: Any, W0: Any) -> Any:
    problem = problem_of(change)
    pairs = wf.leading_eigenpairs(problem, 3)
    return wf.measure_step_times(wf.predict(problem, W0, MEASURED_TIMES), pairs)


def matched(U: Any, V: Any) -> Any:
    match = wf.spectrum.match_directions(U, V, order=[2, 0, 1])
    return match.overlaps, match.principal_angles, match.captured, match.subspace_overlap


def cloud(change: Any, W0: Any) -> Any:
    """Of all words: which are at the ends of a concept may change in a small step."""
    problem = problem_of(change)
    pairs = wf.leading_eigenpairs(problem, 4)
    traj = wf.predict(problem, W0, TIMES, save_embeddings=True)
    found = wf.results.embedding_cloud([traj], pairs, problem.words, n_times=3)
    return found.coordinates


def ranks(change: Any, W0: Any) -> Any:
    """Whole numbers, which have no derivative, and what has one."""
    problem = problem_of(change)
    traj = wf.predict(problem, W0, MEASURED_TIMES)
    times = wf.predict_step_times(problem, W0)
    counted = wf.theory.effective_rank(traj, wf.leading_eigenpairs(problem, 3))
    return 1.0 * counted, 1.0 * wf.theory.predict_rank(times, MEASURED_TIMES)


def along_the_way(change: Any, W0: Any, scale: Any) -> Any:
    """What is told of steps that are one after the other."""
    problem = problem_of(change)
    times = wf.predict_step_times(problem, W0)
    values = wf.leading_eigenpairs(problem, 3).eigenvalues
    seen = wf.theory.step_visibility(problem, times)
    told = [seen, 1.0 * wf.theory.visible_steps(seen), wf.theory.silent_alignment(problem, 3, scale)]
    told += [wf.theory.participation_ratio(wf.predict(problem, W0, TIMES))]
    slopes = wf.theory.step_time_slopes(values, times)
    return [*told, slopes, wf.theory.changed_step_times(values, times, 1.01 * values)]


def descended(change: Any, W0: Any, rate: Any, **settings: Any) -> Any:
    how = {"learning_rate": rate, "max_steps": 12, **settings}
    return predicted(wf.run_gd(problem_of(change), W0, DESCENT_TIMES, **how))


def with_schedule(change: Any, W0: Any, rate: Any) -> Any:
    return descended(change, W0, None, learning_rate=lambda step: rate / (1 + step / 50))


def sgd_of(sampler: str, **settings: Any) -> Row:
    """SGD with minibatches as drawn: in the start and in the learning rate."""
    problem = wf.Problem.from_statistics(STATS, **settings)

    def function(W0: Any, rate: Any) -> Any:
        how = {"key": KEY, "batch_size": 64, "sampler": sampler, "max_steps": 12}
        return predicted(wf.run_sgd(problem, W0, DESCENT_TIMES, learning_rate=rate, **how))

    return Row(function, (0.3 * weights(problem.sides), np.array(2e-3)), single=True)


def noise(function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """Formulas of noise are written for NumPy's arrays as well, in its way."""
    with jax.numpy_rank_promotion("allow"):
        return function(*arguments, batch_size=64, **settings)


def ensemble(scale: Any) -> Any:
    how = {"dim": 3, "scale": scale, "learning_rate": 2e-3, "batch_size": 64, "sampler": "blocks"}
    keys = jax.random.split(KEY, 2)
    return predicted(wf.run_sgd_ensemble(problem_of(NO_CHANGE), keys, DESCENT_TIMES, **how))


KEY = jax.random.key(0)
# 3 and 6 steps of the rate of a row: not so many that a change of some per cent would add one.
DESCENT_TIMES = np.array([0.006, 0.012])
TIMES = np.array([0.0, 0.1, 0.4, 1.0, 3.0])
FLOW_TIMES = np.array([0.0, 0.02, 0.06])
MEASURED_TIMES = np.linspace(0, 5, 40)
TABLE: dict[str, Row] = {
    f"problem.loss, gradient, velocity: {kind}": objective_of(settings) for kind, settings in PROBLEMS.items()
} | {
    "problem.target, dense": Row(target_of, (NO_CHANGE,)),
    "problem.target, sparse": Row(lambda change: target_of(change, matrix="sparse"), (NO_CHANGE,)),
    "pair_weights": Row(sums_of, (NO_CHANGE,)),
    "Problem.from_target": Row(
        loss_of_target, (np.random.default_rng(2).normal(size=(SIZE, SIZE)), weights())
    ),
    "gaussian_init": Row(lambda scale: wf.gaussian_init(KEY, SIZE, 3, scale), (np.array(0.1),)),
    "untied_init": Row(lambda scale: wf.untied_init(KEY, SIZE, 3, scale), (np.array(0.1),)),
    "balanced_init": Row(
        lambda scale, imbalance: wf.balanced_init(KEY, SIZE, 3, scale, imbalance=imbalance),
        (np.array(0.1), np.array(0.3)),
    ),
    "RankOne": Row(
        lambda alpha, W: wf.Problem.from_statistics(STATS, weighting=wf.RankOne(alpha)).loss(W),
        (np.array(0.4), weights()),
    ),
    "Mikolov": Row(
        lambda subsample, negatives, W: wf.Problem.from_statistics(
            STATS, weighting=wf.Mikolov(subsample, 0.75, negatives), tied=False
        ).loss(W),
        (np.array(1e-2), np.array(5.0), weights(2)),
    ),
    "leading_eigenpairs, extreme_eigenpairs": Row(pairs_of, (NO_CHANGE,)),
    "subspace_overlap": Row(wf.subspace_overlap, (weights()[:, :2], weights()[:, 1:] ** 3)),
    "match_directions": Row(matched, (weights()[:, :2], weights() ** 3)),
    "polar_factor, align": Row(
        lambda U, V: (wf.spectrum.polar_factor(U), wf.spectrum.polar_factor(U.T), wf.spectrum.align(U, V)),
        (weights()[:, :2], weights() ** 3),
    ),
    "left_directions, principal_directions": Row(
        lambda W: (
            wf.spectrum.left_directions(W, 2) ** 2,
            wf.spectrum.principal_directions(W, 2),
            wf.spectrum.direction_overlaps(W, W),
        ),
        (weights(),),
    ),
    "stability_limit": Row(lambda change: wf.stability_limit(problem_of(change)), (NO_CHANGE,)),
    "stability_limit_at": Row(
        lambda change, W: wf.spectrum.stability_limit_at(problem_of(change, loss="logistic"), W),
        (NO_CHANGE, weights()),
    ),
    "predict": Row(
        lambda change, W0, unit: predicted(wf.predict(problem_of(change), W0, unit * TIMES)),
        (NO_CHANGE, small(), np.array(1.0)),
    ),
    "predict, leading eigenpairs": Row(predict_leading, (NO_CHANGE, small(), np.array(1.0))),
    "predict, weights": Row(predict_weights, (NO_CHANGE, small())),
    "predict, untied": Row(
        lambda change, W0: predicted(wf.predict(problem_of(change, tied=False), W0, TIMES)),
        (NO_CHANGE, small(2)),
    ),
    "predict, descent with weight decay": Row(
        lambda rate, decay: predicted(
            wf.predict(problem_of(NO_CHANGE), small(), TIMES, learning_rate=rate, weight_decay=decay)
        ),
        (np.array(0.01), np.array(0.1)),
    ),
    "predict_phases": Row(predict_two_phases, (NO_CHANGE, small(), np.array(0.1))),
    "predict_step_times": Row(
        lambda change, W0, rate: wf.predict_step_times(problem_of(change), W0, learning_rate=rate),
        (NO_CHANGE, small(), np.array(0.01)),
    ),
    "predict_step_times, untied": Row(
        lambda change, W0: wf.predict_step_times(problem_of(change, tied=False), W0),
        (NO_CHANGE, small(2)),
    ),
    "estimate_step_time_errors": Row(
        lambda change, W0: wf.theory.estimate_step_time_errors(problem_of(change), W0), (NO_CHANGE, small())
    ),
    "effective_initial_strengths": Row(
        lambda change, W0: wf.theory.effective_initial_strengths(
            wf.leading_eigenpairs(problem_of(change), 9), W0
        ),
        (NO_CHANGE, small()),
    ),
    "step_time_law": Row(
        lambda change, scale: wf.step_time_law(problem_of(change), 3, scale), (NO_CHANGE, np.array(1e-3))
    ),
    "embedding_cloud": Row(cloud, (NO_CHANGE, small()), single=True),
    "concept_coordinates": Row(
        lambda change, W: wf.results.concept_coordinates(W, wf.leading_eigenpairs(problem_of(change), 4)),
        (NO_CHANGE, weights()),
    ),
    "predict_rank, effective_rank": Row(ranks, (NO_CHANGE, small())),
    "step_visibility, step_time_slopes": Row(along_the_way, (NO_CHANGE, small(), np.array(1e-3))),
    "measure_step_times": Row(measured, (NO_CHANGE, small())),
    "stationary_noise": Row(
        lambda change, rate: noise(
            wf.sgd.stationary_noise, problem_of(change), 3, learning_rate=rate, sampler="corpus"
        ),
        (NO_CHANGE, np.array(1e-5)),
    ),
    "stationary_noise, blocks": Row(
        lambda change, rate: noise(
            wf.sgd.stationary_noise,
            problem_of(change, tied=False),
            3,
            learning_rate=rate,
            sampler="blocks",
        ),
        (NO_CHANGE, np.array(1e-4)),
    ),
    "expected_overlap": Row(
        lambda change, rate: noise(
            wf.sgd.expected_overlap, problem_of(change), 3, learning_rate=rate, sampler="balanced"
        ),
        (NO_CHANGE, np.array(1e-4)),
    ),
    "expected_overlap, untied": Row(
        lambda change, rate: noise(
            wf.sgd.expected_overlap,
            problem_of(change, tied=False),
            3,
            learning_rate=rate,
            sampler="shared",
        ),
        (NO_CHANGE, np.array(1e-6)),
    ),
    "step_time_noise": Row(
        lambda change, W0, rate: noise(
            wf.sgd.step_time_noise, problem_of(change), W0, learning_rate=rate, sampler="balanced"
        ),
        (NO_CHANGE, small(), np.array(1e-4)),
    ),
    "step_time_noise, untied": Row(
        lambda change, W0: noise(
            wf.sgd.step_time_noise, problem_of(change, tied=False), W0, learning_rate=1e-4, sampler="shared"
        ),
        (NO_CHANGE, small(2)),
    ),
    "run_gd": Row(lambda change, W0, rate: descended(change, W0, rate), (NO_CHANGE, small(), np.array(2e-3))),
    "run_gd, optimizer": Row(
        lambda change, W0, rate: descended(change, W0, rate, optimizer=partial(optax.sgd, momentum=0.9)),
        (NO_CHANGE, small(), np.array(2e-3)),
    ),
    "run_gd, schedule": Row(with_schedule, (NO_CHANGE, small(), np.array(2e-3))),
    "run_sgd, balanced": sgd_of("balanced"),
    "run_sgd, corpus": sgd_of("corpus", loss="logistic"),
    "run_sgd, blocks, untied": sgd_of("blocks", tied=False),
    "run_sgd, shared": sgd_of("shared"),
    "run_sgd_ensemble": Row(ensemble, (np.array(0.3),), single=True),
    "solve_flow": flow_row(basis="words"),
    "solve_flow, eigenvectors": flow_row(basis="eigenvectors"),
    "solve_flow, logistic": flow_row(loss="logistic"),
}

# Every number that is a function of counts, starts, times, keys or rates.
PURE = (
    "problem.loss",
    "problem.target",
    "gaussian_init",
    "untied_init",
    "balanced_init",
    "leading_eigenpairs",
    "subspace_overlap",
    "match_directions",
    "stability_limit_at",
    "predict",
    "predict_phases",
    "predict_step_times",
    "step_time_law",
    "estimate_step_time_errors",
    "measure_step_times",
    "predict_rank",
    "effective_rank",
    "embedding_cloud",
    "solve_flow",
    "expected_overlap",
    "stationary_noise",
    "step_time_noise",
    "run_gd",
    "run_sgd",
    "run_sgd_ensemble",
)
