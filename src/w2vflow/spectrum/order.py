"""Learning order of eigenpairs, and which of them share one eigenvalue."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from w2vflow.spectrum.lanczos import algebraic, by_size
from w2vflow.spectrum.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["degenerate_groups", "group_numbers", "in_learning_order"]

Host = np.ndarray

# Eigenvalues closer than this, relative to their size, are one: told apart, step times would be further off.
_SAME = 1e-2


@checked
def degenerate_groups(spectrum: Spectrum, *, tied: bool | None = None) -> list[slice]:
    """Return which concepts share one eigenvalue, as stretches of places from 0, in order.

    Of a group of several, only the subspace is known and learned, not its single directions: every
    orthonormal basis of it consists of eigenvectors. `predict_step_times` and `step_time_law` treat it as
    one. Eigenvalues of a group are within 1% of its first, so that their steps overlap from any start in
    use, or closer than their residuals tell apart; of `extreme_eigenpairs` it is their size that counts.

    Args:
        spectrum: eigenpairs in learning order.
        tied: whether it is that of tied weights, which never learn what is negative. By default told by the
            order, which pairs that fall in value and in size have in common.

    Example:
        >>> values, none = np.array([3.0, 2.0, 2.0, 1.0]), np.empty(0)
        >>> degenerate_groups(Spectrum(values, np.eye(4), np.zeros(4), none, none))
        [slice(0, 1, None), slice(1, 3, None), slice(3, 4, None)]
    """
    residuals, values = spectrum.residuals, np.abs(spectrum.eigenvalues)
    if tied or (tied is None and (np.diff(values) > 0).any()):
        values = spectrum.eigenvalues
    starts = [0]
    for k in range(1, len(values)):
        first = starts[-1]
        reach = max(_SAME * abs(values[first]), residuals[first] + residuals[k])
        if values[first] - values[k] > reach:
            starts.append(k)
    return [slice(*ends) for ends in zip(starts, [*starts[1:], len(values)], strict=True)]


@checked
def group_numbers(groups: Sequence[slice]) -> Int[Host, " k"]:
    """Return the number of the group to which each concept belongs."""
    return np.repeat(np.arange(len(groups)), [group.stop - group.start for group in groups])


@checked
def in_learning_order(spectrum: Spectrum, tied: bool) -> Spectrum:
    """Return the pairs as the weights learn them: largest first, or largest in size first."""
    values, nodes = spectrum.eigenvalues, spectrum.bath_nodes
    order = (algebraic if tied else by_size)(values)
    complete = len(values) == len(spectrum.eigenvectors)
    # The bath of the leading pairs holds the other end of the spectrum; nodes are off by a little.
    larger = not tied and nodes.size > 0 and np.abs(nodes).max() > 1.05 * np.abs(values).min()
    if not complete and (larger or (order != np.arange(len(values))).any()):
        name, which = ("leading", "tied") if tied else ("extreme", "untied")
        expected = f"that of `{name}_eigenpairs`, in the order in which {which} weights learn"
        raise argument_error("spectrum", expected, "pairs in another order")
    rows = (values[order], spectrum.eigenvectors[:, order], spectrum.residuals[order])
    return Spectrum(*rows, nodes, spectrum.bath_weights)
