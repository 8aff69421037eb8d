"""A common direction in noise: against definitions, simulated matrices, and the isotropic law."""

from itertools import permutations

import numpy as np
import pytest

from w2vflow.semantics.relations.outliers import (
    Outlier,
    effective_dimension,
    effective_dimension_error,
    outlier_of_squares,
    predict_outlier,
    signal_to_noise,
)


def power_law(exponent, k=100):
    """Variances that sum to 1."""
    variances = np.arange(1.0, k + 1) ** -exponent
    return variances / variances.sum()


def draws(rng, number, n, variances):
    return rng.normal(size=(number, n, len(variances))) * np.sqrt(variances)


def leading(R):
    """Largest eigenvalue of `R R^T` and squared cosine of its vector with the ones, of every draw."""
    values, vectors = np.linalg.eigh(R @ np.swapaxes(R, -1, -2))
    return values[..., -1], vectors[..., -1].sum(axis=-1) ** 2 / R.shape[-2]


def error_of(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def test_signal_to_noise_is_of_the_non_zero_eigenvalues():
    assert signal_to_noise(np.diag([3.0, 2.0, 0.0, 1.0])) == pytest.approx(9 / (14 / 3))
    assert signal_to_noise(np.ones((5, 3))) == pytest.approx(1)  # rank 1
    assert signal_to_noise(1e200 * np.eye(4)) == pytest.approx(1)
    assert np.isnan(signal_to_noise(np.zeros((2, 3))))


@pytest.mark.parametrize("shape", [(9, 4), (9, 30)])
def test_signal_to_noise_is_the_published_formula(shape):
    R = np.random.default_rng(0).normal(size=shape) + 0.6
    gram = R @ R.T
    published = np.linalg.eigvalsh(gram)[-1] * np.linalg.matrix_rank(gram) / np.trace(gram)
    assert signal_to_noise(R) == pytest.approx(published)


def test_effective_dimension_equals_the_average_over_quadruples():
    rng = np.random.default_rng(0)
    for n in (4, 7):
        R = 2 + rng.standard_t(5, size=(n, 4)) * [3, 1, 0.5, 0.2]
        above = below = 0.0
        for i, j, k, m in permutations(range(n), 4):
            one, other = R[i] - R[j], R[k] - R[m]
            above += (one @ one) * (other @ other)
            below += (one @ other) ** 2
        assert effective_dimension(R) == pytest.approx(above / below, rel=1e-10)


@pytest.mark.parametrize("exponent", [0.0, 0.6])
def test_effective_dimension_finds_that_of_the_covariance(exponent):
    rng, variances = np.random.default_rng(1), power_law(exponent, 200)
    true = 1 / (variances**2).sum()
    R = 5 + draws(rng, 300, 30, variances)
    found = np.array([effective_dimension(one) for one in R])
    # The ratio of two unbiased estimates: 0.4% and 2% too large, as the docstring says.
    assert abs(found.mean() / true - (1.004 if exponent == 0 else 1.021)) < 5 * error_of(found / true)
    centred = R - R.mean(axis=1, keepdims=True)
    products = centred @ centred.transpose(0, 2, 1)
    lengths = np.einsum("nii->n", products) / 30
    squares = ((products**2).sum(axis=(1, 2)) - np.einsum("nii->n", products**2)) / (30 * 29)
    uncorrected = lengths**2 / squares
    if exponent == 0:
        assert uncorrected.mean() / true == pytest.approx(0.81, abs=0.02)


def test_effective_dimension_of_few_directions_and_of_none():
    rng = np.random.default_rng(2)
    R = rng.normal(size=(40, 6))
    turned = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert effective_dimension(R) == pytest.approx(effective_dimension(1e150 * (R @ turned + 3)), rel=1e-6)
    line = np.outer(rng.normal(size=30), rng.normal(size=5))
    assert effective_dimension(line) == pytest.approx(1)
    assert np.isnan(effective_dimension(np.full((5, 3), 0.1)))
    assert effective_dimension(np.eye(4)) == np.inf  # differences of different rows at right angles


def test_the_error_leaves_out_one_row_after_the_other():
    R = np.random.default_rng(3).normal(size=(9, 20)) + 4
    without = [effective_dimension(np.delete(R, row, axis=0)) for row in range(9)]
    assert effective_dimension_error(R) == pytest.approx(np.sqrt(8 / 9 * np.var(without) * 9))
    assert effective_dimension_error(np.eye(5)) == np.inf
    assert np.isnan(effective_dimension_error(np.ones((5, 2))))


def test_the_error_is_on_the_safe_side():
    rng, variances = np.random.default_rng(4), power_law(0.6)
    R = draws(rng, 150, 30, variances)
    spread = np.std([effective_dimension(one) for one in R])
    error = np.mean([effective_dimension_error(one) for one in R])
    assert 0.9 < error / spread < 1.5


def isotropic_outlier(squared, n, d, s2):
    """The outlier in noise of variance `s2` in `d` directions (Benaych-Georges and Nadakuditi 2012)."""
    edge, strength = s2 * (np.sqrt(n) + np.sqrt(d)) ** 2, n * squared
    if not strength > s2 * np.sqrt(n * d):
        return Outlier(False, edge, edge, 0.0)
    rows, columns = strength + s2 * n, strength + s2 * d
    return Outlier(True, edge, rows * columns / strength, 1 - s2 * n * columns / (strength * rows))


@pytest.mark.parametrize(("n", "d"), [(30, 100), (100, 30), (7, 1), (1, 9)])
@pytest.mark.parametrize("strength", [0.0, 0.5, 0.99, 1.01, 1.5, 40.0])
def test_equal_variances_give_the_isotropic_law(n, d, strength):
    variance = 0.3
    squared = strength * variance * np.sqrt(d / n)  # of |m|^2, the threshold at strength 1
    mean = np.sqrt(squared) * np.ones(d) / np.sqrt(d)
    exact = isotropic_outlier(squared, n, d, variance)
    found = predict_outlier(mean, np.full(d, variance), n)
    assert found.exists == exact.exists == (strength > 1)
    for name in ("edge", "location", "overlap"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-9, abs=1e-12), name
    assert found.edge == pytest.approx(variance * (np.sqrt(n) + np.sqrt(d)) ** 2)


@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("unevenness", [0.0, 0.2])
def test_outlier_against_simulation(exponent, unevenness):
    rng, n, variances = np.random.default_rng(6), 30, power_law(exponent)
    mean = rng.normal(size=100) * np.sqrt(variances)
    mean *= (1.0 if exponent == 1 else 0.6) / np.linalg.norm(mean)
    lengths = 1 + np.sqrt(unevenness) * rng.normal(size=(400, n, 1))
    largest, overlaps = leading(lengths * mean + draws(rng, 400, n, variances))
    found = predict_outlier(mean, variances, n, unevenness=unevenness)
    assert found.exists
    assert abs(found.location - largest.mean()) < 5 * error_of(largest) + 0.02 * largest.mean()
    assert abs(found.overlap - overlaps.mean()) < 5 * error_of(overlaps) + 0.03
    if unevenness:
        even = predict_outlier(mean, variances, n)
        assert largest.mean() > 1.08 * even.location
        assert overlaps.mean() < even.overlap - 0.05


@pytest.mark.parametrize(("exponent", "above"), [(0.0, 0.05), (0.4, 0.10), (0.6, 0.20), (1.0, 0.33)])
def test_the_edge_is_as_far_off_as_it_says(exponent, above):
    X = draws(np.random.default_rng(7), 200, 30, power_law(exponent, 200))
    largest = leading(X)[0]
    edge = predict_outlier(np.zeros(200), power_law(exponent, 200), 30).edge
    assert edge / largest.mean() - 1 == pytest.approx(above, abs=0.05)
    assert 0.01 < (largest > edge).mean() < 0.2


def test_large_matrices_come_to_the_limit():
    rng = np.random.default_rng(8)
    variances = np.concatenate([np.full(300, 3.0), np.full(300, 0.5), np.zeros(10)])
    mean = rng.normal(size=610) * 0.1
    noise = draws(rng, 3, 400, variances)
    # With either sign: what the noise adds along the mean cancels.
    largest, overlaps = leading(mean + np.concatenate([noise, -noise]))
    found = predict_outlier(mean, variances, 400)
    assert found.exists
    assert largest.mean() == pytest.approx(found.location, rel=0.005)
    assert overlaps.mean() == pytest.approx(found.overlap, abs=0.01)


def test_no_mean_has_no_outlier():
    found = predict_outlier(np.zeros(5), np.arange(5.0), 4)
    assert not found.exists
    assert found.location == found.edge > 0
    assert found.overlap == 0
    # Estimates of squares below 0 are summed as they are.
    assert not outlier_of_squares(np.array([-1.0, 0.5]), np.ones(2), 4).exists
    assert outlier_of_squares(np.array([-0.1, 20.0]), np.ones(2), 4).exists


def test_without_noise_all_is_the_mean():
    found = predict_outlier(np.array([3.0, 4.0]), np.zeros(2), 7)
    assert (found.exists, found.edge, found.location, found.overlap) == (True, 0.0, 175.0, 1.0)
    uneven = predict_outlier(np.array([3.0, 4.0]), np.zeros(2), 7, unevenness=0.25)
    assert (uneven.location, uneven.overlap) == (175 * 1.25, 0.8)
    assert not predict_outlier(np.zeros(2), np.zeros(2), 7).exists
    # Noise off the mean's axis, too small to matter.
    assert predict_outlier(np.array([3.0, 0.0]), np.array([0.0, 1e-12]), 7).overlap == pytest.approx(1)


def test_one_coordinate_and_two_pairs():
    # X X^T has the one eigenvalue sum_i (m + x_i)^2, of mean N (m^2 + nu).
    found = predict_outlier(np.array([5.0]), np.array([1.0]), 2)
    assert found.edge == pytest.approx((np.sqrt(2) + 1) ** 2)
    assert found.location == pytest.approx(2 * 26, rel=0.03)


def test_one_variance_that_outweighs_the_others():
    rest = np.full(100, 1e-6)
    found = predict_outlier(np.append(0, np.full(100, 1.0)), np.append(1e6, rest), 30)
    assert not found.exists  # N |m|^2 = 3,000, far below 30e6
    assert found.edge == pytest.approx(1e6 * (np.sqrt(30) + 1) ** 2, rel=1e-3)
    assert predict_outlier(np.append(0, np.full(100, 1e3)), np.append(1e6, rest), 30).exists


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_units_do_not_matter(scale):
    rng = np.random.default_rng(9)
    mean, variances = rng.normal(size=20), rng.exponential(size=20)
    one, other = predict_outlier(mean, variances, 9), predict_outlier(scale * mean, scale**2 * variances, 9)
    assert other.location == pytest.approx(scale**2 * one.location)
    assert other.overlap == pytest.approx(one.overlap)
    far = predict_outlier(1e9 * mean, variances, 9)
    assert far.location == pytest.approx(9e18 * (mean @ mean))
    assert far.overlap == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: predict_outlier(np.ones(3), np.ones(2), 5),
            "`variances` must be of shape .* with k = 3, as in `mean`",
        ),
        (lambda: predict_outlier(np.ones(2), np.array([1.0, -1.0]), 5), "`variances` must be not negative"),
        (lambda: predict_outlier(np.ones(2), np.array([1.0, np.nan]), 5), "`variances` must be finite"),
        (lambda: predict_outlier(np.ones(2), np.ones(2), 0), "`n_pairs` must be at least 1"),
        (lambda: predict_outlier(np.ones(2), np.ones(2), 5, unevenness=-0.1), "`unevenness` must be finite"),
        (lambda: effective_dimension(np.ones((3, 4))), "N at least 4, but got shape"),
        (lambda: effective_dimension_error(np.ones((4, 4))), "N at least 5, but got shape"),
        (lambda: signal_to_noise(np.ones(4)), "one row a pair"),
        (lambda: signal_to_noise(np.array([[1.0, np.inf]])), "`R` must be finite"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
