"""word2vec's subsampling of frequent words."""

import numpy as np
from jaxtyping import Float

from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import argument_error

__all__ = ["keep_probability"]


@checked
def keep_probability(share: Float[AnyArray, " V"], threshold: float) -> Float[AnyArray, " V"]:
    """Return the probability of keeping a token of each word, `min(1, sqrt(t / f) + t / f)`.

    Args:
        share: `f`, what part of all tokens a word is; a word without tokens keeps all.
        threshold: `t`, as word2vec's `-sample`; 0 keeps all.

    Raises:
        ValueError: a negative or infinite threshold.

    References:
        word2vec.c; Mikolov et al. (2013), arXiv 1310.4546, section 2.3, has another formula.

    Example:
        >>> keep_probability(np.array([0.99, 0.01]), 0.01).round(3).tolist()
        [0.111, 1.0]
    """
    if is_known(threshold) and not 0 <= threshold < np.inf:
        raise argument_error("subsample", "finite and not negative", threshold, "0 keeps all words.")
    if is_known(share) and not ((np.asarray(share) >= 0) & np.isfinite(share)).all():
        raise argument_error("share", "finite and not negative", "others")
    xp = namespace(share, threshold)
    # At 0 all are kept; the square root has no derivative there.
    ratio = xp.where((threshold == 0) | (share == 0), 1.0, threshold) / xp.where(share == 0, 1.0, share)
    return xp.where(threshold == 0, 1.0, xp.minimum(1.0, xp.sqrt(ratio) + ratio))
