"""Which problem eigenpairs are of."""

import hashlib
import weakref
from typing import Any

import numpy as np

from w2vflow.problem import Problem
from w2vflow.spectrum.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known, out_of_trace
from w2vflow.support.checks import argument_error
from w2vflow.support.static import remembered

__all__ = ["check_origin", "check_pairs", "origin_of"]

# What a product may differ by, over the largest eigenvalue, beyond the residuals that pairs come with.
_SLACK = {4: 1e-4, 8: 1e-6}


def origin_of(described: dict[str, Any]) -> np.ndarray | None:
    """Return the SHA-256 of what decides `M*` in `problem.describe()`, bytes; None of a matrix."""
    if described.get("statistics_sha256") is None:
        return None
    decides = f"{described['statistics_sha256']} {described['weighting']}"
    return np.frombuffer(hashlib.sha256(decides.encode()).digest(), np.uint8)


def _same(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one).astype(np.uint8), np.asarray(other).astype(np.uint8))


def _named(origin: Any) -> str:
    return "unknown" if origin is None else np.asarray(origin).astype(np.uint8).tobytes().hex()[:8]


@checked
def check_pairs(problem: Problem, spectrum: Spectrum) -> Spectrum:
    """Return eigenpairs, if they are those of the problem, as far as all is known.

    Where they do not come with its fingerprint, one product with `M*` tells: of all pairs at once, with signs
    `s_k` that are always the same,

        |M* sum_k s_k v_k - sum_k s_k lambda_k v_k|  <=  2 sum_k |residual_k| + rounding.

    A pair of objects is looked at once.

    Raises:
        ValueError: they are of another vocabulary, or of another `M*`.
    """
    words, size = len(spectrum.eigenvectors), problem.vocab_size
    if words != size:
        raise argument_error("spectrum", f"of {size} words, as the problem", f"eigenvectors of {words}")
    if not is_known(problem, spectrum):
        return spectrum
    passed: list[Any] = remembered(spectrum, "own problems", list)
    if not any(one() is problem for one in passed):
        _look_at(problem, spectrum)
        passed.append(weakref.ref(problem))
    return spectrum


def _look_at(problem: Problem, spectrum: Spectrum) -> None:
    own, origin = origin_of(problem.describe()), spectrum.origin
    if own is not None and origin is not None and _same(own, origin):
        return
    with out_of_trace():
        vectors, values = spectrum.eigenvectors, np.asarray(spectrum.eigenvalues, np.float64)
        signs = np.random.default_rng(0).choice([-1.0, 1.0], len(values)) / np.sqrt(len(values))
        operator = problem.target_operator()
        sums = np.asarray(vectors @ np.stack([signs, signs * values], axis=1).astype(vectors.dtype))
        image = np.asarray(operator.product(sums[:, :1]))[:, 0]
        norm = float(problem.target_norm_squared()) ** 0.5
    coarsest = max((operator.dtype, np.dtype(vectors.dtype)), key=lambda dtype: np.finfo(dtype).eps)
    largest = max(np.abs(values).max(), np.finfo(float).tiny)
    allowed = 2 * float(np.abs(signs) @ np.asarray(spectrum.residuals, np.float64))
    allowed += _SLACK[coarsest.itemsize] * largest + 8 * float(np.finfo(coarsest).eps) * norm
    found = float(np.linalg.norm(image - sums[:, 1]))
    if not found <= allowed:
        expected = f"eigenpairs of M* of this problem (fingerprint {_named(own)})"
        got = (
            f"pairs of another one (fingerprint {_named(origin)}): M* v differs from lambda v by "
            f"{found / largest:.2g} of the largest eigenvalue"
        )
        raise argument_error("spectrum", expected, got, "Use `leading_eigenpairs(problem, k)`.")


@checked
def check_origin(spectrum: Spectrum, described: Any) -> None:
    """Raise `ValueError` where eigenpairs are known to be of another problem than a result.

    Args:
        spectrum: the pairs.
        described: `metadata["problem"]` of the result: what `problem.describe()` said, a list of several
            phases, or None. Those of a problem that was made from a matrix are not looked at.
    """
    if spectrum.origin is None or not is_known(spectrum.origin):
        return
    several = described if isinstance(described, list) else [described]
    origins = [origin_of(one) for one in several if isinstance(one, dict)]
    if not origins or any(origin is None or _same(origin, spectrum.origin) for origin in origins):
        return
    expected = f"of the problem of the trajectory (fingerprint {_named(origins[-1])})"
    got = f"that of another one (fingerprint {_named(spectrum.origin)})"
    remedy = "Counts and weighting are those of `trajectory.metadata['problem']`."
    raise argument_error("spectrum", expected, got, remedy)
