"""The form of a problem's matrices of pairs: dense, or sparse plus low rank."""

from w2vflow.counts import CooccurrenceStatistics
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import available_memory, check_fits

__all__ = ["matrix_form"]

# Below this share of seen pairs a sparse product costs less than a dense one (benchmarks/operators.py).
_SPARSE_BELOW = 0.2
# Small matrices are dense: everything about them is fast, and LAPACK finds their whole eigenbasis.
_DENSE_UP_TO = 3000


def matrix_form(stats: CooccurrenceStatistics, matrix: str) -> str:
    """Return `"dense"` or `"sparse"`, for `"auto"` whichever costs less and fits into memory.

    Raises:
        ValueError: another name, or a form that does not fit into memory.
    """
    if matrix not in ("auto", "dense", "sparse"):
        raise argument_error("matrix", "'auto', 'dense' or 'sparse'", repr(matrix))
    size, need = stats.vocab_size, _dense_bytes(stats.vocab_size)
    fewer = "`stats.most_frequent(n)` with a smaller n."
    if matrix == "dense":
        remedy = f"Use matrix='sparse', which forms only products, or {fewer}"
        check_fits("matrix", f"a dense matrix of {size} words", need, remedy)
        return "dense"
    few = size > _DENSE_UP_TO and len(stats.values) < _SPARSE_BELOW * size**2
    if matrix != "sparse" and not few and need <= available_memory():
        return "dense"
    # Values and columns stay; building them takes the values once more, and so do float32 products.
    need = (3 * 8 + 2 * 4) * len(stats.values)
    check_fits("stats", f"the sparse matrix of {len(stats.values)} seen pairs", need, f"Use {fewer}")
    return "sparse"


def _dense_bytes(vocab_size: int) -> int:
    # M* stays; building it takes about four more of its size for a moment.
    return 5 * 8 * vocab_size**2
