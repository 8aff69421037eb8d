"""The full-batch objective and its gradient, in the form that costs least for a problem.

Weights of words and contexts, `W` and `C`, are one array of rows `[W | C]` per word, `(P, 2 d)`, or
`W` alone where they are tied. Rows may be dealt over the devices of a mesh (see `operators.py`); then
the methods `local_value` and `local_gradient` run within `shard_map`, on the rows of one device.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from w2vflow.support.arguments import checked
from w2vflow.support.sharding import ROWS, fingerprint, matmul, on_devices

__all__ = ["Objective", "factored_loss", "join", "split", "spread_gradient", "spread_value"]


class Objective(eqx.Module):
    """`L = sum_ij A_ij l+(x_ij) + B_ij l-(x_ij) + const`, `x = W W^T` or `W C^T`, and its gradient.

    Attributes:
        sides: 1 where words and contexts share their vectors, else 2.
    """

    sides: int = eqx.field(static=True)

    @abstractmethod
    def local_value(self, own: Float[Array, "R e"]) -> Float[Array, ""]:
        """Return `L`, given this device's rows of the weights."""

    @abstractmethod
    def local_gradient(self, own: Float[Array, "R e"]) -> Float[Array, "R e"]:
        """Return this device's rows of `dL/dW` and `dL/dC`, given its rows of the weights."""

    def value(self, Z: Float[Array, "n d"]) -> Float[Array, ""]:
        """Return `L` of weights stacked as `(V, d)`, or `(2 V, d)` with contexts below words."""
        return self.local_value(join(Z, self.sides))

    def gradient(self, Z: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return `dL/dZ` of stacked weights."""
        return split(self.local_gradient(join(Z, self.sides)), self.sides)

    def specs(self) -> "Objective":
        """Return how `shard_map` is to hand out this objective: rows to devices, numbers to all."""
        return jax.tree.map(lambda leaf: ROWS if leaf.ndim else PartitionSpec(), self)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the entries this process holds: what a checkpoint belongs to."""
        return fingerprint(self, f"{type(self).__name__} {self.sides}")


def join(Z: Float[Array, "n d"], sides: int) -> Float[Array, "V e"]:
    """Return stacked weights `[W; C]` side by side, `[W | C]`."""
    return Z if sides == 1 else jnp.concatenate(jnp.split(Z, 2), axis=1)


def split(rows: Float[Array, "V e"], sides: int) -> Float[Array, "n d"]:
    """Return weights `[W | C]` stacked, `[W; C]`."""
    return rows if sides == 1 else jnp.concatenate(jnp.split(rows, 2, axis=1))


@checked
def factored_loss(
    target_norm_squared: Float[Array, ""], W: Float[Array, "n d"], target_W: Float[Array, "n d"]
) -> Float[Array, ""]:
    """Return `1/4 ||M - W W^T||_F^2` from `||M||_F^2`, `W` and `M W`, without a matrix of pairs.

        ||M - W W^T||^2 = ||M||^2 - 2 tr(W^T M W) + ||W^T W||^2

    `W` and `M W` may be in any orthonormal basis, e.g. the eigenbasis of `M`.
    """
    return (target_norm_squared - 2 * jnp.sum(W * target_W) + jnp.sum(matmul(W.T, W) ** 2)) / 4


@eqx.filter_jit
def spread_value(objective: Objective, rows: Float[Array, "P e"], mesh: Mesh) -> Float[Array, ""]:
    """Return `L` of weights whose rows are spread over a mesh."""
    one = on_devices(
        lambda mine, own: mine.local_value(own), mesh, (objective.specs(), ROWS), PartitionSpec()
    )
    return one(objective, rows)


@eqx.filter_jit
def spread_gradient(objective: Objective, rows: Float[Array, "P e"], mesh: Mesh) -> Float[Array, "P e"]:
    """Return the gradient at weights whose rows are spread over a mesh, spread alike."""
    one = on_devices(lambda mine, own: mine.local_gradient(own), mesh, (objective.specs(), ROWS), ROWS)
    return one(objective, rows)
