"""Small problems with known answers."""

import os
import signal
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import w2vflow as wf
from w2vflow.sgd.samplers.gradients import added_rows


def random_statistics(vocab_size: int, seed: int = 0) -> wf.CooccurrenceStatistics:
    """Counts with a few strong themes and some pairs never seen."""
    rng = np.random.default_rng(seed)
    themes = rng.gamma(0.4, size=(vocab_size, 4)) * rng.gamma(1.0, size=(vocab_size, 1))
    half = np.triu(rng.poisson(3 * themes @ themes.T))
    counts = half + half.T
    counts[np.diag_indices(vocab_size)] += 2
    words = tuple(f"word{i}" for i in range(vocab_size))
    return wf.CooccurrenceStatistics(words, counts, counts.sum(axis=1))


def directed_statistics(vocab_size: int, seed: int = 0) -> wf.CooccurrenceStatistics:
    """Counts of contexts on the right, of which many pairs were seen in one order alone."""
    counts = random_statistics(vocab_size, seed).counts.toarray()
    counts[np.random.default_rng(seed).random(counts.shape) < 0.4] //= 3
    counts[np.diag_indices(vocab_size)] += 1
    words = tuple(f"word{i}" for i in range(vocab_size))
    return wf.CooccurrenceStatistics(words, counts, counts.sum(axis=1), directions="right")


def scattered(Z, gradient):
    """The gradient of some rows as an array like `Z`."""
    return added_rows(jnp.zeros_like(Z), gradient, 1.0, deterministic=True)


def quartic_gradient(target, W):
    """The gradient of `1/4 ||M* - W W^T||^2`."""
    return (W @ W.T - target) @ W


def integrate(target, decay, start, ts):
    """Weights `(T, V, d)` of the flow from `start`, by a method of eighth order."""

    def velocity(t, w):
        W = w.reshape(start.shape)
        return (target @ W - decay * W - W @ (W.T @ W)).ravel()

    done = solve_ivp(velocity, (0, ts[-1]), start.ravel(), "DOP853", ts, rtol=1e-13, atol=1e-15)
    return done.y.T.reshape(-1, *start.shape)


def separated_problem(seed=0):
    """A problem whose concepts are further apart than they are wide, so that steps are steps."""
    values = np.concatenate([[8.0, 5.0, 3.2, 2.0, 1.2], -np.linspace(0.1, 9.0, 15)])
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(20, 20)))[0]
    return wf.Problem.from_target(Q * values @ Q.T)


def dies_once(mark: Path) -> str:
    """Kill the process it runs in, unless the mark is there from a first time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mark.name
