"""SGD in the order of a text, as word2vec.c runs: real windows, real subsampling, one seed."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from w2vflow.corpus import TokenFile
from w2vflow.problem import Loss, Mikolov, Problem, Symmetrized
from w2vflow.results import Recording, Trajectory
from w2vflow.sgd.engine import Number, Optimizer, Weights
from w2vflow.sgd.minibatches import InParts, parts_of
from w2vflow.sgd.samplers.draws import AliasTable
from w2vflow.sgd.samplers.gradients import PairBatch, RowGradient, pair_gradient
from w2vflow.sgd.solver import Algorithm, Clock, solve_by_steps
from w2vflow.sgd.stream.pair_stream import PairStream
from w2vflow.sgd.timeline import LearningRate
from w2vflow.support.arguments import checked
from w2vflow.support.checkpoint import digest
from w2vflow.support.checks import argument_error, check_weights
from w2vflow.support.kinds import ArrayLike

__all__ = ["StreamedPairs", "run_sgd_on_text"]

# Pairs that are brought to the device at a time.
_BLOCK_PAIRS = 2**20
# Where a stream stands, in the order of its checkpoint.
_STATE = ("epoch", "place", "given", "pairs")


class StreamedPairs(InParts):
    """The gradient of positive pairs brought from the host, each with negative contexts drawn here.

        loss of a batch = sum A * mean over its pairs of [l+(x_ij) + sum of l-(x_ic) over k draws c]

    Where `P` of the pairs is that of the stream, its mean is the objective of `Mikolov` weights. Draws of
    a pair's own context are skipped where the weights skip them.

    Attributes:
        rows, columns: words and contexts of the pairs, a batch of each step of the block.
        contexts: draws of negative contexts.
        pair_loss: loss of one pair.
        negatives: `k`.
        offset: rows of the weights before the vectors of contexts.
        total: what the weights of all pairs add up to with the draws that are skipped.
        skip_target: whether any are.
    """

    rows: Int[Array, "steps b"]
    columns: Int[Array, "steps b"]
    contexts: AliasTable
    pair_loss: Loss
    negatives: int = eqx.field(static=True)
    offset: int = eqx.field(static=True)
    total: float = eqx.field(static=True)
    skip_target: bool = eqx.field(static=True, default=False)

    @property
    def pairs(self) -> int:
        """Pairs of one step, negative ones among them."""
        return self.rows.shape[1] * (1 + self.negatives)

    def part(self, number: Number, part: Int[Array, ""], key: Key[Array, ""], Z: Weights) -> RowGradient:
        steps, batch = self.rows.shape
        size = batch // self.parts
        at = (number % steps, part * size)
        row, column = (jax.lax.dynamic_slice(of, at, (1, size))[0] for of in (self.rows, self.columns))
        drawn = self.contexts.draw(key, size * self.negatives)
        weight = jnp.full(size * (1 + self.negatives), self.total / (1 + self.negatives) / size, Z.dtype)
        is_positive = jnp.arange(len(weight)) < size
        own = jnp.repeat(column, self.negatives)
        skipped = jnp.concatenate([jnp.ones(size, bool), (drawn == own) & self.skip_target])
        return pair_gradient(
            Z,
            self.pair_loss,
            PairBatch(
                jnp.concatenate([row, jnp.repeat(row, self.negatives)]),
                jnp.concatenate([column, drawn]) + self.offset,
                jnp.where(is_positive, weight, 0),
                jnp.where(skipped, 0, weight),
            ),
        )


class _TextFeed:
    """Pairs of a text, block by block; see `engine.Feed`."""

    def __init__(self, template: StreamedPairs, corpus: TokenFile, window: int, subsample: float, seed: int):
        self.steps, self.batch = template.rows.shape
        self.template, self.corpus = template, corpus
        self.settings: dict[str, Any] = {"window": window, "subsample": subsample, "seed": seed}
        self.began = dict.fromkeys(_STATE, 0)
        self.stream = PairStream(corpus, self.steps * self.batch, **self.settings)

    def close(self) -> None:
        """End the stream."""
        self.stream.close()

    def next(self) -> StreamedPairs:
        """Return the source with the pairs of the next steps."""
        self.began = self.stream.state
        rows, columns = (jnp.asarray(of.reshape(self.steps, self.batch)) for of in next(self.stream))
        return replace(self.template, rows=rows, columns=columns)

    def state(self, step: int) -> np.ndarray:
        """Return where the block begins that has the step after this one."""
        state = self.stream.state if step % self.steps == 0 else self.began
        return np.array([state[name] for name in _STATE], np.int64)

    def restore(self, state: np.ndarray) -> None:
        """Begin at the block that begins there."""
        self.close()
        there = dict(zip(_STATE, state.tolist(), strict=True))
        self.stream = PairStream(self.corpus, self.steps * self.batch, state=there, **self.settings)


@checked
def run_sgd_on_text(
    problem: Problem,
    W0: ArrayLike,
    ts: ArrayLike,
    *,
    corpus: TokenFile,
    key: Key[Array, ""],
    learning_rate: LearningRate,
    batch_size: int,
    window: int = 5,
    optimizer: Optimizer | None = None,
    deterministic: bool = True,
    recording: Recording = Recording(),
) -> Trajectory:
    """Return the trajectory of SGD on the pairs of a text in their order, in float32.

    Positive pairs are those of `PairStream`, with the subsampling of the problem's weighting; each
    comes with `k` negative contexts. The time axis is that of `Mikolov` problems: a step advances it
    by `eta`. word2vec.c's learning rate alpha, of single pairs, is

        alpha = 2 V^2 eta / ((1 + k - s) batch_size)

    for the logistic loss, with `s` the mean number of the `k` negatives that are skipped; `n` epochs are
    `n * PairStream.pairs_per_epoch / batch_size` steps. The loss observed is the objective of the problem,
    which differs a little from what is descended: a stream lays windows after words were dropped.

    Args:
        problem: with `Mikolov` weights and a whole number of negatives, or `Symmetrized` ones.
        W0, ts: as in `run_sgd`.
        corpus: the text, with the words of the problem's statistics.
        key: JAX key of windows, subsampling and negative contexts.
        learning_rate: `eta`, or an optax schedule, a function of the step.
        batch_size: positive pairs in a step.
        window: largest distance of a pair; each centre's own is drawn from 1..window.
        optimizer, deterministic, recording: as in `run_sgd`; negative pairs count as pairs.

    Raises:
        ValueError: a bad argument: another weighting, or other words, among them.
        RuntimeError: the weights diverged.
    """
    weights = check_weights(W0, problem.vocab_size, problem.sides)
    if weights.ndim != 2:
        own = "(V, dim)" if problem.tied else "(2, V, dim)"
        raise argument_error("W0", f"of one seed, {own}", f"shape {np.shape(W0)}")
    if batch_size < 1:
        raise argument_error("batch_size", "at least 1", batch_size)
    weighting = _mikolov(problem, corpus)
    template = _template(problem, weighting, batch_size, weights.shape[1], deterministic)
    high, low = (int(word) for word in jax.random.bits(key, (2,), jnp.uint32))
    with closing(_TextFeed(template, corpus, window, weighting.subsample, (high << 32) + low)) as feed:
        settings = {
            "sampler": "stream",
            "batch_size": batch_size,
            "window": window,
            "tokens": corpus.metadata.get("tokens_sha256") or digest(corpus.tokens),
            "deterministic": deterministic,
        }
        remedy = "Noise of small batches lowers that limit. Use a smaller rate, or a larger `batch_size`."
        return solve_by_steps(
            problem,
            Algorithm("SGD", template, optimizer, settings, remedy),
            weights[None].astype(np.float32),
            key[None],
            Clock(ts, learning_rate),
            ensemble=False,
            recording=recording,
            feed=feed,
        )


def _mikolov(problem: Problem, corpus: TokenFile) -> Mikolov:
    """Return the problem's weighting, checked against what a stream gives."""
    stats = problem.require_statistics("words are numbered")
    weighting = problem.weighting
    weighting = weighting.weighting if isinstance(weighting, Symmetrized) else weighting
    if not (isinstance(weighting, Mikolov) and weighting.negatives == int(weighting.negatives)):
        expected = "one with `Mikolov` weights and a whole number of negatives, as pairs of a text have them"
        remedy = "Use `run_sgd`, whose samplers know all weightings."
        raise argument_error("problem", expected, repr(problem.weighting), remedy)
    if problem.statistics is not None and problem.statistics.directions != "both":
        expected = "of counts of both directions, as the pairs of a text are"
        remedy = "Use `stats.symmetrized()`, or `run_sgd`."
        raise argument_error("problem", expected, "counts of one direction", remedy)
    if corpus.words != stats.words:
        expected = "of the words of the problem's statistics, in their order"
        remedy = "Make it with `tokenize(..., vocabulary=stats.words)`."
        raise argument_error("corpus", expected, f"{len(corpus.words)} other words", remedy)
    return weighting


def _template(
    problem: Problem, weighting: Mikolov, batch_size: int, dim: int, deterministic: bool
) -> StreamedPairs:
    """Return the source without its pairs."""
    V, negatives = problem.vocab_size, int(weighting.negatives)
    weights = weighting.pair_weights(problem.require_statistics("pairs are weighted")).normalised()
    # All parts have as many positive pairs.
    parts = min(parts_of(batch_size * (1 + negatives), dim), batch_size & -batch_size)
    none = jnp.zeros((max(1, _BLOCK_PAIRS // batch_size), batch_size), jnp.int32)
    return StreamedPairs(
        parts,
        deterministic,
        none,
        none,
        AliasTable.of(weights.right[:, 0]),
        problem.pair_loss,
        negatives,
        0 if problem.tied else V,
        float(weights.values.sum()) * (1 + negatives),
        weighting.skip_target,
    )
