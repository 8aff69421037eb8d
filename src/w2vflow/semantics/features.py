"""The words at both ends of every concept."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from w2vflow.checks import argument_error
from w2vflow.spectrum import Spectrum

__all__ = ["Feature", "label_features"]


class Feature(NamedTuple):
    """One concept by its most extreme words.

    Attributes:
        eigenvalue: `lambda_k`.
        positive: words of the largest entries of `v_k`, largest first.
        negative: words of the smallest (most negative) entries, smallest first.
    """

    eigenvalue: float
    positive: tuple[str, ...]
    negative: tuple[str, ...]


def label_features(spec: Spectrum, words: Sequence[str], n: int = 6) -> list[Feature]:
    """Return for every eigenvector the `n` words at each of its ends.

    Which end is called positive means nothing: eigenvectors have no sign of their own.

    Args:
        spec: eigenpairs of the problem.
        words: the vocabulary in row order.
        n: words at each end.

    Raises:
        ValueError: `words` are not as many as the eigenvectors have rows, or n is not in 1..V.

    References:
        arXiv 2502.09863, table of eigenfeatures.
    """
    if len(words) != len(spec.eigenvectors):
        raise argument_error(
            "words", f"the {len(spec.eigenvectors)} words of the problem", f"{len(words)} words"
        )
    if not 1 <= n <= len(words):
        raise argument_error("n", f"between 1 and the vocabulary size {len(words)}", n)
    order = np.argsort(-spec.eigenvectors, axis=0, kind="stable")
    return [
        Feature(
            float(value),
            tuple(words[i] for i in order[:n, mode]),
            tuple(words[i] for i in order[::-1][:n, mode]),
        )
        for mode, value in enumerate(spec.eigenvalues)
    ]
