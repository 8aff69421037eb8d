"""Settings of a run and of a study. Apart from running them, so that help needs no JAX."""

from dataclasses import dataclass
from typing import Literal

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_at_least, check_dimension, check_positive
from w2vflow.support.machine import check_fits

__all__ = ["Ablation", "Experiment"]


@checked
@dataclass(frozen=True)
class Experiment:
    """Everything that decides the result of a run.

    Attributes:
        statistics: name of bundled statistics (`w2vflow datasets`), or a file of `w2vflow count`.
        vocab_size: at most so many of their words, the most frequent; 2,000 take a minute, and time
            grows with the square.
        dim: dimension of the embedding, which is how many concepts it can learn; fewer of counts that have
            fewer.
        scale: size of the initial weights, of standard deviation scale / sqrt(dim); the smaller, the
            sharper the steps: 0.1 is large, 1e-10 tiny.
        seeds: how many runs of SGD and flow, to see what depends on the initial weights.
        seed: of the random numbers of all of them; another one is another experiment.
        learning_rate: of SGD, in units of 1 / lambda_1; unstable from 0.8 at 2,000 words, from less at more;
            accurate at 0.1.
        batch_size: pairs in a minibatch; fewer are faster and noisier.
        sampler: of the minibatches: balanced (every word alike), blocks (all pairs of some words) or
            corpus (pairs as the text has them), or shared (positive pairs one by one, negative in blocks).
        observations: how many times are observed after the start.
        horizon: end of the time axis, in units of the predicted time of the last step.
        flow_scales: initial scales at which `--verify` checks the flow against the exact solution.
        cloud_words: words whose positions are kept for the page, the most frequent and those at the
            ends of concepts; 0 keeps none, and the run has no page.
    """

    statistics: str = "enwiki15k-v3000"
    vocab_size: int = 2000
    dim: int = 16
    scale: float = 1e-2
    seeds: int = 8
    seed: int = 0
    learning_rate: float = 0.08
    batch_size: int = 131_072
    sampler: Literal["balanced", "blocks", "corpus", "shared"] = "balanced"
    observations: int = 120
    horizon: float = 1.1
    flow_scales: tuple[float, ...] = (1e-1, 1e-4, 1e-10)
    cloud_words: int = 600

    def __post_init__(self) -> None:
        check_at_least("cloud_words", 0, self.cloud_words)
        for scale in self.flow_scales:
            check_positive("flow_scales", scale)
        _check(
            self,
            counts=("vocab_size", "dim", "seeds", "observations", "batch_size"),
            sizes=("scale", "learning_rate", "horizon"),
        )


@checked
@dataclass(frozen=True)
class Ablation:
    """Everything that decides the study of the approximations: each lifted alone, and both together.

    Attributes:
        statistics: name of bundled statistics, or a path.
        vocab_size: how many of their words to use, the most frequent.
        dim: embedding dimension; the first 8 concepts are measured.
        scale: size of the initial weights (see `gaussian_init`), the same in every cell.
        seeds: how many runs of SGD; the flow is that of the first.
        seed: of the random numbers of all of them.
        subsample: threshold of word2vec's subsampling, in the cells with its weights (`Mikolov`).
        power: exponent of its distribution of negative contexts.
        negatives: negative pairs for each positive one.
        learning_rate: of SGD, in units of the stability limit of each cell, at the end of its flow.
        pairs: how many pairs a run of SGD draws, in every cell; its steps share them out.
        sampler: of the minibatches.
        observations: how many times are observed after the start.
        horizon: end of the time axis, in units of the predicted time of the last step measured.
        mikolov_horizon: the same in the cells with word2vec's weights, where rare words take longer.
        rtol: relative tolerance of the flow.
    """

    statistics: str = "enwiki15k-v3000"
    vocab_size: int = 2000
    dim: int = 10
    scale: float = 1e-2
    seeds: int = 3
    seed: int = 0
    subsample: float = 1e-4
    power: float = 0.75
    negatives: float = 5.0
    learning_rate: float = 0.1
    pairs: int = 400_000_000
    sampler: Literal["balanced", "blocks", "corpus"] = "blocks"
    observations: int = 80
    horizon: float = 2.0
    mikolov_horizon: float = 3.0
    rtol: float = 1e-6

    def __post_init__(self) -> None:
        _check(
            self,
            counts=("vocab_size", "seeds", "observations", "pairs"),
            sizes=("scale", "horizon", "mikolov_horizon", "negatives"),
        )
        check_at_least("subsample", 0, self.subsample)
        check_at_least("power", 0, self.power)
        check_dimension(self.dim, self.vocab_size)
        if not 0 < self.rtol < 1:
            raise argument_error("rtol", "between 0 and 1", self.rtol)
        if not 0 < self.learning_rate < 1:
            raise argument_error("learning_rate", "between 0 and 1, the stability limit", self.learning_rate)


def _check(settings: Experiment | Ablation, *, counts: tuple[str, ...], sizes: tuple[str, ...]) -> None:
    for name in counts:
        check_at_least(name, 1, getattr(settings, name))
    for name in sizes:
        check_positive(name, getattr(settings, name))
    check_at_least("seed", 0, settings.seed)
    run = f"{settings.seeds} seeds of {settings.vocab_size} x {settings.dim} weights"
    need = 8 * settings.seeds * settings.vocab_size * settings.dim
    check_fits("seeds", run, need, "Lower `seeds`, `vocab_size` or `dim`.")
    times = f"{settings.dim} singular values of {settings.seeds} seeds at {settings.observations} times"
    need = 8 * settings.seeds * settings.observations * settings.dim
    check_fits("observations", times, need, "Lower `observations` or `seeds`.")
