"""The stability limit, and closed forms of descent beyond it."""

import jax
import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.theory import schedule_phases

VALUES = np.array([3.0, 1.7, 0.6, -0.4, -5.0])
STATS = random_statistics(12)


def problem_of(values, tied):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(len(values), len(values))))[0]
    return wf.Problem.from_target(turn * values @ turn.T, tied=tied)


def descended(problem, rate, decay, steps=4000):
    """How far weights move in the last steps of descent, in plain NumPy."""
    M = np.asarray(problem.target())
    random = np.random.default_rng(1)
    W, C = (1e-2 * random.normal(size=(len(M), 4)) for _ in range(2))
    with np.errstate(all="ignore"):
        for _ in range(steps):
            before = W
            if problem.tied:
                W = W + rate * ((M - W @ W.T) @ W - decay * W)
            else:
                rest = M - W @ C.T
                W, C = W + rate * (rest @ C / 2 - decay * W), C + rate * (rest.T @ W / 2 - decay * C)
    moved = np.abs(W - before).max()
    return moved if np.isfinite(moved) else np.inf


@pytest.mark.parametrize("decay", [0.0, 0.5, 3.5, 8.0])
@pytest.mark.parametrize("least", [-5.0, -0.4])
def test_the_limit_of_tied_weights_with_decay_is_that_of_descent(least, decay):
    problem = problem_of(np.where(VALUES == -5.0, least, VALUES), tied=True)
    largest = max(2 * (3.0 - decay), max(3.0, decay) - least)
    limit = wf.spectrum.check_learning_rate(problem, 1e-3, weight_decay=decay)
    assert limit == pytest.approx(2 / largest)
    # Pushes beyond it need a start within what is unstable, which rounding and the start provide.
    assert descended(problem, 0.97 * limit, decay) < 1e-8
    assert descended(problem, 1.05 * limit, decay) > 1e-3


@pytest.mark.parametrize("decay", [0.0, 4.0])
def test_the_limit_of_untied_weights_with_decay_is_that_of_descent(decay):
    problem = problem_of(VALUES, tied=False)
    limit = wf.spectrum.check_learning_rate(problem, 1e-3, weight_decay=decay)
    assert limit == pytest.approx(2 / max(5.0, 2.5 + decay))
    assert descended(problem, 0.97 * limit, decay) < 1e-8
    assert descended(problem, 1.05 * limit, decay) > 1e-3


def closed_forms(problem):
    """Closed forms with a learning rate, as functions of it."""
    dim = 2
    W0 = 1e-3 * np.random.default_rng(2).normal(size=(12, dim) if problem.tied else (2, 12, dim))
    noise = {"batch_size": 1024, "sampler": "balanced"}

    def phases(rate):
        return wf.predict_phases([wf.Phase(problem, [1.0]), wf.Phase(problem, [1.0], learning_rate=rate)], W0)

    return {
        "predict": lambda rate: wf.predict(problem, W0, [1.0], learning_rate=rate).loss,
        "predict_phases": lambda rate: phases(rate).loss,
        "predict_step_times": lambda rate: wf.predict_step_times(problem, W0, learning_rate=rate),
        "step_time_law": lambda rate: wf.step_time_law(problem, dim, 1e-3, learning_rate=rate).mean,
        "step_time_noise": lambda rate: wf.sgd.step_time_noise(problem, W0, learning_rate=rate, **noise),
        "stationary_noise": lambda rate: wf.sgd.stationary_noise(problem, dim, learning_rate=rate, **noise),
    }


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", closed_forms(wf.Problem.from_statistics(STATS)))
@pytest.mark.parametrize("tied", [True, False])
def test_closed_forms_refuse_rates_beyond_the_limit(tied, name):
    problem = wf.Problem.from_statistics(STATS, tied=tied)
    function, limit = closed_forms(problem)[name], float(wf.stability_limit(problem))
    values = np.linalg.eigvalsh(np.asarray(problem.target()))
    sizes = 2 * values[-1], values[-1] - values[0]
    assert limit == pytest.approx(2 / (max(sizes) if tied else max(abs(values))))
    for beyond in (1.001, 1.2, 3.0):
        with pytest.raises(ValueError, match=r"`learning_rate` must be below the stability limit"):
            function(beyond * limit)
    assert np.isfinite(function(0.5 * limit)).all()


def test_a_schedule_whose_largest_rate_is_beyond_the_limit_is_refused():
    problem = problem_of(VALUES, tied=True)
    assert schedule_phases(problem, [0.1, 0.1], [2])
    with pytest.raises(ValueError, match=r"`schedule` must be below the stability limit 0\.25"):
        schedule_phases(problem, [0.26, 0.01], [2])
    # Decay stronger than every concept pulls back all the more.
    with pytest.raises(ValueError, match=r"limit 0\.1667 .*with a weight decay of 7"):
        schedule_phases(problem, [0.2, 0.01], [2], weight_decay=7.0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_traced_rate_beyond_the_limit_gives_no_number():
    problem = problem_of(VALUES, tied=True)
    W0 = 1e-3 * np.random.default_rng(3).normal(size=(5, 2))
    rates = np.array([0.0, 0.2, 0.26])
    times = jax.vmap(lambda rate: wf.predict_step_times(problem, W0, learning_rate=rate))(rates)
    np.testing.assert_allclose(times[1], wf.predict_step_times(problem, W0, learning_rate=0.2), rtol=1e-12)
    assert np.isfinite(times[0]).all()
    assert np.isnan(times[2]).all()


def test_ends_of_the_spectrum_are_found_once(monkeypatch):
    problem = problem_of(VALUES, tied=True)
    limit = float(wf.stability_limit(problem))
    monkeypatch.setattr(wf.spectrum.stability, "spectrum_ends", None)
    assert float(wf.stability_limit(problem)) == limit
    assert wf.spectrum.check_learning_rate(problem, 0.1) == limit
