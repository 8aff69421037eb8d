"""Rates of a learning-rate schedule, step by step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from w2vflow.support.checks import argument_error
from w2vflow.support.devices import float64_device

__all__ = ["check_rates", "scheduled_rates"]


def scheduled_rates(schedule: Callable[[Any], Any], first: int, count: int) -> Float[np.ndarray, " n"]:
    """Return the rates of `count` steps from `first` on, in float64."""
    with jax.enable_x64(True), jax.default_device(float64_device()):
        return np.asarray(jax.vmap(schedule)(first + jnp.arange(count, dtype=jnp.int32)), np.float64)


def check_rates(rates: Float[np.ndarray, " n"], argument: str, first: int = 0) -> None:
    """Raise `ValueError` unless all rates, from step `first` on, are finite and not negative."""
    bad = ~(np.isfinite(rates) & (rates >= 0))
    if bad.any():
        step = int(np.argmax(bad))
        got = f"{rates[step]} at step {first + step}"
        raise argument_error(argument, "of finite rates that are not negative", got)
