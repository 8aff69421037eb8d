"""What decides a run. Apart from running it, because the command line shows it without loading JAX."""

from dataclasses import dataclass

import numpy as np

from w2vflow.checks import argument_error, check_dimension

__all__ = ["Experiment"]


@dataclass(frozen=True)
class Experiment:
    """Everything that decides the result of a run.

    Attributes:
        statistics: name of bundled statistics, or a path.
        vocab_size: how many of their words to use, the most frequent.
        dim: embedding dimension.
        scale: size of the initial weights (see `gaussian_init`).
        seeds: how many runs of SGD and flow.
        seed: of the random numbers of all of them.
        learning_rate: of SGD, in units of 1 / lambda_1.
        batch_size: pairs in a minibatch.
        sampler: of the minibatches.
        observations: how many times are observed after the start.
        horizon: end of the time axis, in units of the predicted time of the last step.
        flow_scales: initial scales at which the flow is checked against the exact solution.
    """

    statistics: str = "enwiki15k-v3000"
    vocab_size: int = 2000
    dim: int = 16
    scale: float = 1e-2
    seeds: int = 8
    seed: int = 0
    learning_rate: float = 0.08
    batch_size: int = 131_072
    sampler: str = "balanced"
    observations: int = 120
    horizon: float = 1.1
    flow_scales: tuple[float, ...] = (1e-1, 1e-4, 1e-10)

    def __post_init__(self) -> None:
        for name in ("vocab_size", "seeds", "observations", "batch_size"):
            if getattr(self, name) < 1:
                raise argument_error(name, "at least 1", getattr(self, name))
        check_dimension(self.dim, self.vocab_size)
        for name in ("scale", "learning_rate", "horizon"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise argument_error(name, "positive and finite", value)
