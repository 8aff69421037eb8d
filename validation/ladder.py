"""The ladder of plateaus against the flow: any weights, any loss, tied and untied.

python validation/ladder.py [--small]
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from table import Points, Row, run_part

import w2vflow as wf
from w2vflow.theory import Ladder, predict_ladder

MIKOLOV = wf.Mikolov(1e-4, 0.75, 5, skip_target=False)
PROBLEMS = {
    "tied, Uniform, quartic": {"weighting": wf.Uniform(), "loss": "quartic"},
    "tied, Uniform, logistic": {"weighting": wf.Uniform(), "loss": "logistic"},
    "tied, Mikolov(1e-4, 0.75, 5), quartic": {"weighting": wf.Symmetrized(MIKOLOV), "loss": "quartic"},
    "tied, Mikolov(1e-4, 0.75, 5), logistic": {"weighting": wf.Symmetrized(MIKOLOV), "loss": "logistic"},
    "untied, Mikolov(1e-4, 0.75, 5), logistic": {"weighting": MIKOLOV, "loss": "logistic", "tied": False},
}
BREAKS = (
    "where steps overlap the loss leaves a plateau before it has settled on it, and the reduced flow is late "
    "by what it leaves out"
)


@dataclass(frozen=True)
class Size:
    """Which models there are, and how large.

    Attributes:
        problems: names of them in `PROBLEMS`.
        words, dim: of all of them.
        more_words, lower_dim: of tied ones besides.
    """

    problems: tuple[str, ...] = tuple(PROBLEMS)
    words: int = 300
    dim: int = 8
    more_words: int = 2000
    lower_dim: int = 8


TYPICAL = ("tied, Uniform, quartic", "tied, Mikolov(1e-4, 0.75, 5), logistic")
MORE = {
    "tied, Uniform, quartic": (1e-8,),
    "tied, Mikolov(1e-4, 0.75, 5), quartic": (1e-8,),
    "tied, Mikolov(1e-4, 0.75, 5), logistic": (1e-8, 1e-4, 1e-2),
}
SMALL = Size((*TYPICAL, "untied, Mikolov(1e-4, 0.75, 5), logistic"), 30, 3, 30, 3)


def rows(size: Size) -> Iterator[Row]:
    """Yield times of steps and losses of plateaus: some words for every problem, more for tied ones."""
    stats = wf.load_statistics("enwiki15k-v3000")
    for name in size.problems:
        yield from compared(stats, size.words, name, size.dim, 1e-8)
    for name in TYPICAL:
        for scale in (1e-4, 1e-2):
            yield from compared(stats, size.words, name, size.dim, scale)
    # The logistic loss at constant G does as the quartic one; untied weights take the flow twice as long.
    for name, scales in MORE.items():
        for scale in scales if name in size.problems else ():
            yield from compared(stats, size.more_words, name, size.lower_dim, scale)


def compared(
    stats: wf.CooccurrenceStatistics, vocab_size: int, name: str, dim: int, scale: float
) -> Iterator[Row]:
    """Yield the rows of one problem, from one seed."""
    settings = PROBLEMS[name]
    problem = wf.Problem.from_statistics(stats.most_frequent(vocab_size), **settings)
    draw = wf.gaussian_init if problem.tied else wf.untied_init
    W0 = np.asarray(draw(jax.random.key(0), vocab_size, dim, scale))
    began = time.process_time()
    ladder = predict_ladder(problem, dim)
    predicted = ladder.step_times(W0)
    cost = time.process_time() - began
    # Fine where the first step is, which may be many times faster than all others.
    ts = np.unique(
        np.concatenate([np.linspace(0, 2 * predicted[0], 201), np.linspace(0, 1.15 * predicted.max(), 801)])
    )[1:]
    began = time.process_time()
    flow = wf.solve_flow(problem, W0, ts, rtol=1e-6, max_steps=1_000_000)
    cost = (time.process_time() - began) / cost
    measured = step_times(flow, ladder)
    naive = first_rates(ladder, W0)
    conditions = f"{name}, V = {vocab_size:,}, d = {dim}, scale {scale:g}, one seed"
    short = f"{name.replace('Mikolov(1e-4, 0.75, 5)', 'Mikolov')}, {vocab_size:,}, {scale:g}"
    off = np.abs(predicted / measured - 1)
    yield Row(
        "times of steps, `predict_ladder(problem, d).step_times(W0)`",
        conditions,
        listed(predicted, ".4g"),
        f"{listed(measured, '.4g')} (flow)",
        f"{listed(100 * (predicted / measured - 1), '+.2f')} %; from rates at zero weights alone "
        f"{listed(100 * (naive / measured - 1), '+.1f')} %; the flow took {cost:.1f} times as long",
        BREAKS,
        subject="Step times",
        short=short,
        off=f"{100 * off[0]:.2f}%, ≤{100 * np.nanmax(off):.2g}%",
        points=(Points.of("step time", predicted, measured),),
    )
    middles = (measured[:-1] + measured[1:]) / 2
    seen = np.interp(middles, ts, flow.loss)
    heights = -np.diff(ladder.losses)[: dim - 1]
    yield Row(
        "losses of plateaus 1 .. d - 1, `predict_ladder(problem, d).losses`",
        conditions,
        listed(ladder.losses[1:dim], ".7g"),
        f"{listed(seen, '.7g')} (flow, midway between steps)",
        f"{listed(100 * (ladder.losses[1:dim] - seen) / heights, '+.1f')} % of the height of the step",
        BREAKS,
        subject="Losses of plateaus",
        short=short,
        off=f"≤{100 * np.nanmax(np.abs(ladder.losses[1:dim] - seen) / heights):.2g}%",
        points=(Points.of("loss of a plateau", ladder.losses[1:dim], seen),),
    )


def step_times(flow: wf.Trajectory, ladder: Ladder) -> np.ndarray:
    """Return when `s_k^2` passes half of its plateau, NaN where it does not."""
    found = np.full(ladder.steps, np.nan)
    for k in range(ladder.steps):
        logarithm = 2 * np.log(flow.singular_values[:, k])
        half = np.log(ladder.strengths[k, k] / 2)
        after = int(np.argmax(logarithm > half))
        if after:
            pair = slice(after - 1, after + 1)
            found[k] = np.interp(half, logarithm[pair], flow.ts[pair])
    return found


def first_rates(ladder: Ladder, W0: np.ndarray) -> np.ndarray:
    """Return the step times that follow from the eigenvalues of `E` at zero weights alone."""
    dim, sides = W0.shape[-1], W0.ndim - 1
    overlaps = ladder.directions[:, :dim].T @ W0.reshape(-1, dim)
    rates = ladder.growth[0][:dim]
    amplitudes = np.diag(np.linalg.qr(overlaps.T, mode="r"))
    return np.log(sides * rates / amplitudes**2) / (2 * rates)


def listed(values: np.ndarray, form: str) -> str:
    """Return numbers as text."""
    return ", ".join(format(value, form) for value in values)


if __name__ == "__main__":
    run_part("ladder", __doc__, rows, Size(), SMALL)
