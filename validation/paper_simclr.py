"""SimCLR's loss as a matrix factorisation: appendix D.2 of arXiv 2502.09863, its prediction beside a run.

Views `i` and `j` of an image are positive pairs with probability `P_ij`; with large batches the loss is

    L(f) = -beta sum_ij P_ij s_ij + sum_i p_i ln sum_k p_k exp(beta s_ik),   s_ij = f_i . f_j

which to second order in `s`, for uniform `p = 1/n` and features of mean 0, is

    L = beta^2 / (2 n^2) sum_ij (M*_ij - s_ij)^2 + const,   M*_ij = (P_ij / (p_i p_j) - 1) / beta.

So `Problem.from_target(M*)` predicts it, with `2 beta^2 / n^2` of its time to a unit of the loss's. Here the
images are all choices of some binary attributes, each of which two views share more often than not; features
are free, as those of a linear encoder of one-hot images are.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import w2vflow as wf
from w2vflow.plotting import letter_panels, new_figure, plot_concepts, plot_step_times, publication
from w2vflow.plotting.style import TWO_COLUMNS
from w2vflow.results import measure_step_times
from w2vflow.spectrum import left_directions, subspace_overlap
from w2vflow.theory.solvable import SolvableCorpus, binary_attributes

__all__ = ["SimCLR", "contrastive_loss", "study_simclr", "target_of"]

# Of the loss; any other one is another unit of the features.
TEMPERATURE = 2.0
# Of the features at the start, and steps in units of the theory's time, over `1 / lambda_1`.
SCALE, RATE = 1e-4, 0.02


@dataclass(frozen=True)
class SimCLR:
    """One study.

    Attributes:
        strengths: how much more often than not two views share each attribute.
        batch: positive pairs in a minibatch.
        seeds: runs of SGD.
    """

    strengths: tuple[float, ...] = (0.5, 0.42, 0.35, 0.3, 0.26, 0.23)
    batch: int = 256
    seeds: int = 3


def contrastive_loss(
    f: Float[Array, "n d"], joint: Float[Array, "n n"], beta: float = TEMPERATURE
) -> Float[Array, ""]:
    """Return SimCLR's loss over all positive pairs `P`, in the limit of large batches, less `ln B`."""
    s, p = beta * f @ f.T, joint.sum(axis=1)
    return -jnp.sum(joint * s) + p @ jax.nn.logsumexp(s, axis=1, b=p[None])


def batch_loss(f: Float[Array, "n d"], pairs: Array, beta: float = TEMPERATURE) -> Float[Array, ""]:
    """Return SimCLR's loss of a minibatch of positive pairs `(B, 2)`, each one's partners the negatives."""
    one, other = f[pairs[:, 0]], f[pairs[:, 1]]
    s = beta * one @ other.T
    return jnp.mean(jax.nn.logsumexp(s, axis=1) - jnp.diagonal(s)) - jnp.log(len(pairs))


def target_of(joint: np.ndarray, beta: float = TEMPERATURE) -> np.ndarray:
    """Return `M*` of a distribution of positive pairs, `(n, n)`."""
    p = joint.sum(axis=1)
    return (joint / np.outer(p, p) - 1) / beta


@partial(jax.jit, static_argnames=("steps", "every", "batch"))
def descend(
    f: Float[Array, "n d"],
    joint: Float[Array, "n n"],
    key: Array,
    rate: float,
    steps: int,
    every: int,
    batch: int,
) -> tuple[Array, Array]:
    """Return the features and losses at every so many steps; minibatches of `batch` pairs, 0 for none."""
    n, shares = len(joint), jnp.cumsum(joint.ravel())

    def step(f: Array, key: Array) -> tuple[Array, None]:
        if batch:
            drawn = jnp.searchsorted(shares, shares[-1] * jax.random.uniform(key, (batch,)), side="right")
            slope = jax.grad(batch_loss)(f, jnp.stack([drawn // n, drawn % n], axis=1))
        else:
            slope = jax.grad(contrastive_loss)(f, joint)
        return f - rate * slope, None

    def stretch(f: Array, keys: Array) -> tuple[Array, tuple[Array, Array]]:
        f, _ = jax.lax.scan(step, f, keys)
        return f, (f, contrastive_loss(f, joint))

    keys = jax.random.split(key, steps)
    return jax.lax.scan(stretch, f, keys.reshape(steps // every, every, *keys.shape[1:]))[1]


def run(
    name: str, start: Array, joint: Array, ts: np.ndarray, step: float, *, key: Array, batch: int = 0
) -> tuple[wf.Trajectory, np.ndarray]:
    """Return a run as a trajectory at the times `ts` of the theory, and its last features."""
    every = round((ts[1] - ts[0]) / step)
    rate = (ts[1] - ts[0]) / every * len(joint) ** 2 / (2 * TEMPERATURE**2)
    features, losses = descend(start, joint, key, rate, every * (len(ts) - 1), every, batch)
    features = np.concatenate([np.asarray(start)[None], np.asarray(features)])
    losses = np.concatenate([[float(contrastive_loss(start, joint))], np.asarray(losses)])
    values = np.linalg.svd(features, compute_uv=False)
    return wf.Trajectory(name, ts, values, losses), features[-1]


def study_simclr(asked: SimCLR) -> Figure:
    """Print prediction and runs side by side, and return their figure."""
    corpus: SolvableCorpus = binary_attributes(asked.strengths)
    stats = corpus.statistics
    assert stats is not None
    joint = np.asarray(stats.counts.toarray(), float)
    joint /= joint.sum()
    problem = wf.Problem.from_target(target_of(joint))
    size, dim = len(joint), len(asked.strengths)
    basis = wf.leading_eigenpairs(problem, size)
    start = wf.gaussian_init(jax.random.key(0), size, dim, SCALE).astype(float)
    predicted = np.asarray(wf.predict_step_times(problem, start, spectrum=basis))
    ts = np.linspace(0, 1.3 * predicted.max(), 201)
    theory = wf.predict(problem, start, ts, spectrum=basis)
    step = RATE / float(basis.eigenvalues[0])
    descent, last = run("gd", start, jnp.asarray(joint), ts, step, key=jax.random.key(1))
    sgd = [
        run("sgd", start, jnp.asarray(joint), ts, step, key=key, batch=asked.batch)[0]
        for key in jax.random.split(jax.random.key(2), asked.seeds)
    ]
    measured = np.asarray(measure_step_times(descent, basis))[:dim]
    minibatches = np.array([measure_step_times(one, basis) for one in sgd])[:, :dim]
    values, ends = np.asarray(basis.eigenvalues)[:dim], descent.singular_values[-1] ** 2
    minimum = size * np.arctanh(asked.strengths) / TEMPERATURE
    print(
        f"SimCLR: {size} images of {dim} attributes, d = {dim}, inverse temperature {TEMPERATURE:g},"
        f" start {SCALE:g}"
    )
    print(
        "  concept  lambda = n c / beta  step predicted  descent  off    SGD off   s^2 at the end"
        "  n artanh(c) / beta"
    )
    for k in range(dim):
        print(
            f"  {k + 1:>7}  {values[k]:>9.3f} {size * asked.strengths[k] / TEMPERATURE:>9.3f}"
            f"  {predicted[k]:>14.4f}  {measured[k]:>7.4f}  {measured[k] / predicted[k] - 1:>+5.1%}"
            f"  {minibatches[:, k].mean() / predicted[k] - 1:>+7.1%}  {ends[k]:>14.3f}  {minimum[k]:>18.3f}"
        )
    shared = float(subspace_overlap(left_directions(last, dim), np.asarray(basis.eigenvectors)[:, :dim]))
    print(f"  learned directions in the space of the leading {dim} eigenvectors: {shared:.4f}")
    return draw(theory, descent, sgd, predicted, measured, minibatches)


def draw(
    theory: wf.Trajectory,
    descent: wf.Trajectory,
    sgd: list[wf.Trajectory],
    predicted: np.ndarray,
    measured: np.ndarray,
    minibatches: np.ndarray,
) -> Figure:
    """Return the staircase and the step times."""
    ensemble = wf.Trajectory(
        "sgd",
        sgd[0].ts,
        np.stack([one.singular_values for one in sgd]),
        np.stack([one.loss for one in sgd]),
    )
    with publication():
        figure, (left, right) = new_figure(2, TWO_COLUMNS / 2, 2.3)
        unit = float(predicted[0])
        plot_concepts(theory, descent, ensemble, concepts=len(predicted), time_unit=unit, ax=left)
        left.set_ylim(0, 1.05 * float(descent.singular_values.max()) ** 2)
        plot_step_times(
            predicted[None], {"flow": measured[None], "sgd": minibatches}, time_unit=unit, ax=right
        )
        handles, _ = right.get_legend_handles_labels()
        right.legend(handles, ["descent", "SGD"], frameon=False)
        letter_panels([left, right])
    return figure
