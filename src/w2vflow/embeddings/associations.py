"""Association matrices from counts: PMI, PPMI, log counts.

`M*` itself, under any weighting, is `Problem.from_statistics(stats, weighting=...).target()`.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import logsumexp

from w2vflow.counts import CooccurrenceStatistics
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_at_least, check_positive
from w2vflow.support.csr import some_entries

__all__ = ["log_counts", "pmi", "ppmi"]


@checked
def pmi(stats: CooccurrenceStatistics, *, smoothing: float = 1.0) -> sparse.csr_array:
    """Return pointwise mutual information on the seen pairs, words x contexts, sparse `(V, V)`.

        PMI_ij = ln(P_ij / (p_i q_j)),   q_j = p_j^smoothing / sum_l p_l^smoothing

    Of counts of one direction, `p_i` are the row sums of `P` and the `p_j` of `q` its column sums.

    A pair that was never seen has a PMI of minus infinity; the matrix has 0 there, as the published baselines
    do. So it counts as more associated than a pair seen too rarely, of which the PMI is negative; PPMI avoids
    that. The index arrays are those of the counts, not copied: do not change them in place.

    Args:
        stats: co-occurrence statistics.
        smoothing: exponent of the context distribution. At 1 the matrix is symmetric; 0.75, as in
            word2vec, keeps rare contexts from being associated with everything they were seen with.

    Raises:
        ValueError: `smoothing` outside 0..1.

    References:
        Church, Hanks (1990); Levy, Goldberg (2014), section 3.2 (0 for unseen pairs); Levy, Goldberg,
        Dagan (2015), TACL 3, equation 3 (smoothing).

    Example:
        >>> import numpy as np
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[0, 2], [2, 4]]), np.array([2, 6]))
        >>> pmi(stats).toarray().round(3).tolist()
        [[0.0, 0.288], [0.288, -0.118]]
    """
    if not 0 <= smoothing <= 1:
        raise argument_error("smoothing", "between 0 and 1", smoothing)
    counts, word = stats.counts, _log_sums(stats.counts, 1)
    context = word if stats.directions == "both" else _log_sums(counts, 0)
    # Half of the common term goes to either side, so that without smoothing the sum is symmetric to the bit.
    half = logsumexp(smoothing * context[np.isfinite(context)]) / 2 if counts.nnz else 0.0
    left, right = word - half, smoothing * np.where(np.isfinite(context), context, 0) - half
    values = np.empty(counts.nnz)
    for at, rows, columns in some_entries(counts.indptr, counts.indices):
        values[at] = np.log(counts.data[at]) - (left[rows] + right[columns])
    return sparse.csr_array((values, counts.indices, counts.indptr), shape=counts.shape)


@checked
def ppmi(
    stats: CooccurrenceStatistics, negatives: float = 1.0, *, smoothing: float = 1.0
) -> sparse.csr_array:
    """Return shifted positive PMI, `max(PMI_ij - ln negatives, 0)`, words x contexts, sparse `(V, V)`.

    Only pairs above 0 are entries.

    Args:
        stats: co-occurrence statistics.
        negatives: as many negative samples as the shift stands for; 1 for no shift.
        smoothing: see `pmi`.

    Raises:
        ValueError: `negatives` not positive, `smoothing` outside 0..1.

    References:
        Levy, Goldberg (2014), equation 11; Levy, Goldberg, Dagan (2015), section 3.

    Example:
        >>> import numpy as np
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[0, 2], [2, 4]]), np.array([2, 6]))
        >>> ppmi(stats).toarray().round(3).tolist()
        [[0.0, 0.288], [0.288, 0.0]]
    """
    check_positive("negatives", negatives)
    values = pmi(stats, smoothing=smoothing)
    values.data -= np.log(negatives)
    kept, lengths = values.data > 0, np.zeros(stats.vocab_size, np.int64)
    for at, rows, _ in some_entries(values.indptr, values.indices):
        lengths += np.bincount(rows[kept[at]], minlength=len(lengths))
    indptr = np.append(0, np.cumsum(lengths)).astype(values.indptr.dtype)
    return sparse.csr_array((values.data[kept], values.indices[kept], indptr), shape=values.shape)


@checked
def log_counts(
    stats: CooccurrenceStatistics, *, cutoff: float = 100.0, power: float = 0.75
) -> sparse.csr_array:
    """Return what GloVe's vectors are left to explain: `ln X_ij` less the best biases, sparse `(V, V)`.

        L_ij = ln X_ij - b_i - b_j        where pairs were seen, else 0
        b = argmin sum_seen f(X_ij) (ln X_ij - b_i - b_j)^2,   f(x) = min((x / cutoff)^power, 1)

    These are the biases that GloVe fits if its vectors are 0; words and contexts share them, as the counts
    are symmetric. Conjugate gradients solve `(diag(F 1) + F) b = (F o ln X) 1`, `F_ij = f(X_ij)`, to 1e-12. A
    factorisation of `L` is not GloVe: it weighs all pairs alike and takes unseen ones as 0, where GloVe
    leaves them out. Index arrays are shared as in `pmi`.

    Args:
        stats: co-occurrence statistics of both directions; GloVe counts with `weighting="harmonic"`.
        cutoff: `x_max`, in units of the counts.
        power: exponent of the weight below it.

    Raises:
        ValueError: a cutoff that is not positive, a power that is negative or not finite, or counts of one
            direction, to which words and contexts have biases of their own.

    References:
        Pennington, Socher, Manning (2014), GloVe, equations 8 and 9.

    Example:
        >>> import numpy as np
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[1, 2], [2, 4]]), np.array([2, 6]))
        >>> bool(np.abs(log_counts(stats).toarray()).max() < 1e-12)  # a product is all bias
        True
    """
    check_positive("cutoff", cutoff)
    check_at_least("power", 0, power)
    if stats.directions != "both":
        expected = "of both directions, whose words and contexts share their biases"
        got = f"contexts on the {stats.directions} of the word alone"
        raise argument_error("stats", expected, got, "Use `stats.symmetrized()`.")
    counts, size = stats.counts, stats.vocab_size
    weights = np.minimum((counts.data / cutoff) ** power, 1)
    values = np.log(counts.data)
    F = sparse.csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)
    sums = np.zeros(size)
    for at, rows, _ in some_entries(counts.indptr, counts.indices):
        sums += np.bincount(rows, weights[at] * values[at], minlength=size)
    # In the scale of the row sums all eigenvalues lie between 0 and 2: some ten steps suffice.
    own = F.sum(axis=1)
    # A word without pairs has no bias.
    scale = (own > 0) / np.sqrt(np.where(own > 0, own, 1))
    system = LinearOperator((size, size), lambda y: y + scale * (F @ (scale * y)), dtype=np.float64)
    solution, _ = cg(system, scale * sums, rtol=1e-12)
    bias = scale * solution
    for at, rows, columns in some_entries(counts.indptr, counts.indices):
        values[at] -= bias[rows] + bias[columns]
    return sparse.csr_array((values, counts.indices, counts.indptr), shape=counts.shape)


def _log_sums(counts: sparse.csr_array, axis: int) -> np.ndarray:
    """Return the logarithms of the sums along an axis, minus infinity for a word without pairs."""
    with np.errstate(divide="ignore"):
        return np.log(counts.sum(axis=axis))
