"""Rounding as the seed of late concepts, against descent by NumPy in both precisions."""

import contextlib
import warnings

import jax
import numpy as np
import pytest

import w2vflow as wf
from w2vflow.spectrum import rounding_advance

SIZE, DIM = 200, 3
VALUES = np.concatenate([[4.0, 3.2, 2.2, 1.4], np.linspace(0.5, -2.0, SIZE - 4)])
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))[0]
TARGET = TURN * VALUES @ TURN.T
START = np.random.default_rng(1).normal(size=(SIZE, DIM))
RATE = 0.02


def step_times(scale, dtype):
    """When descent of a precision brings `s_k^2` to half of `lambda_k`, by the nearest step."""
    M, W, rate = TARGET.astype(dtype), (scale * START).astype(dtype), dtype(RATE)
    V = TURN[:, :DIM]
    found = np.full(DIM, np.nan)
    for step in range(12_000):
        W = W + rate * (M @ W - W @ (W.T @ W))
        if step % 4 == 0:
            share = np.linalg.norm(V.T @ W.astype(float), axis=1) ** 2 / VALUES[:DIM]
            found = np.where(np.isnan(found) & (share > 0.5), step * RATE, found)
            if not np.isnan(found).any():
                break
    return found


@pytest.mark.parametrize("scale", [1e-12, 1e-20, 1e-28])
def test_how_early_rounding_makes_concepts(scale):
    problem = wf.Problem.from_target(TARGET)
    predicted = rounding_advance(problem, scale * START, np.float32)
    measured = 1 - step_times(scale, np.float32) / step_times(scale, np.float64)
    assert measured[0] == pytest.approx(0, abs=2e-3)
    # From above, by a third at most.
    assert (measured < predicted + 0.01).all()
    assert (measured > 0.6 * predicted - 0.02).all()
    assert (measured.max() > 0.02) == (scale < 1e-15)


def test_solvers_warn_of_it_in_float32(monkeypatch):
    ts, early = np.array([0.1, 0.2]), r"concept \d comes early by some \d+%"
    with jax.enable_x64(False):
        problem = wf.Problem.from_target(TARGET)
        tiny, small = (np.asarray(scale * START, np.float32) for scale in (1e-28, 1e-5))
        solvers = (
            lambda W0: wf.run_gd(problem, W0, ts, learning_rate=RATE),
            lambda W0: wf.solve_flow(problem, W0, ts, basis="words", max_steps=10**5),
        )
        for solve in solvers:
            # So small a start may take the flow more steps than there are: that is told, too.
            with pytest.warns(RuntimeWarning, match=early), contextlib.suppress(RuntimeError):
                solve(tiny)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                solve(small)
        with pytest.warns(RuntimeWarning, match=r"Below 1e-31 products are lost in float32"):
            wf.run_gd(problem, np.asarray(1e-36 * START, np.float32), ts, learning_rate=RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wf.run_gd(wf.Problem.from_target(TARGET), 1e-28 * START, ts, learning_rate=RATE)
