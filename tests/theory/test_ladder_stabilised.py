"""The stabilised integrator of the ladder against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from w2vflow.theory.ladder.stabilised import Columns, advance, begin

# A stiff negative eigenvalue, which an explicit method of few stages could not pass.
LAM = np.array([1.0, 0.6, -400.0])


def field(W, Y):
    return LAM[:, None] * Y - W @ (W.T @ Y)


@pytest.mark.parametrize("log_size", [-20.0, -2000.0])
def test_a_sigmoid_beside_a_column_of_any_size(log_size):
    columns = Columns.of(jnp.array([[1e-2, 0.0], [0.0, 1.0], [0.0, 0.5]]), jnp.array([0.0, log_size]))
    state = begin(field, jnp.zeros(()), columns, jnp.ones(()))
    step = jax.jit(lambda state: advance(field, state))
    times, strengths = [], []
    while state.time < 20:
        state = step(state)
        times.append(float(state.time))
        strengths.append(float(jnp.sum(state.columns.weights[:, 0] ** 2)))
    assert len(times) < 100
    exact = 1 / (1 + (1e4 - 1) * np.exp(-2 * np.array(times)))
    np.testing.assert_allclose(strengths, exact, rtol=0.02)
    grown = log_size + 0.6 * times[-1]
    np.testing.assert_allclose(state.columns.logs[1], grown, atol=5e-3)
    np.testing.assert_allclose(np.abs(state.columns.Y[:, 1]), [0, 1, 0], atol=1e-2)


def test_columns_keep_their_product():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 3)) * [1.0, 1e-3, 0.0]
    columns = Columns.of(jnp.asarray(weights), jnp.array([-1.0, 2.0, 0.0]))
    np.testing.assert_allclose(columns.weights, weights * np.exp([-1.0, 2.0, 0.0]), rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(columns.Y, axis=0), [1, 1, 0], rtol=1e-14)
