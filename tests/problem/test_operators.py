"""Operators against the dense matrix they stand for, on one device and on many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from systems import quartic_gradient, random_statistics

import w2vflow as wf
from w2vflow.problem import matrix_form, problem
from w2vflow.problem import sparse_products as csr
from w2vflow.problem.operators import DenseOperator, DiagonalOperator, SparseOperator
from w2vflow.support import devices
from w2vflow.support import machine as resources


def dense_target(stats):
    P = stats.counts.toarray() / stats.counts.sum()
    product = np.outer(P.sum(axis=1), P.sum(axis=1))
    return (P - product) / ((P + product) / 2)


def operators(size=37):
    stats = random_statistics(size)
    forms = {name: wf.Problem.from_statistics(stats, matrix=name) for name in ("dense", "sparse")}
    return dense_target(stats), {name: p.target_operator() for name, p in forms.items()}


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_an_operator_is_its_matrix(form, ranks):
    """Also where the devices do not share the rows evenly (37 words), and after dealing out again."""
    target, forms = operators()
    operator = forms[form]
    if ranks > 1:
        operator = operator.shard(devices.word_mesh(jax.devices()[:ranks]))
    block = np.random.default_rng(0).normal(size=(37, 5))
    again = operator.shard(devices.word_mesh(jax.devices()[:2]))
    for one in (operator, again):
        np.testing.assert_allclose(one.product(block), target @ block, atol=1e-12)
        np.testing.assert_allclose(one.dense(), target, atol=1e-13)
        np.testing.assert_allclose(one.norm_squared(), np.sum(target**2), rtol=1e-12)
        single = one.astype(np.float32).product(block)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, target @ block, atol=1e-4)
    layout = operator.to_rows(block)
    assert len(layout) == -(-37 // ranks) * ranks
    np.testing.assert_array_equal(operator.to_words(layout), block)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_objective_and_gradient_are_those_of_the_matrix(form):
    stats = random_statistics(37)
    one = wf.Problem.from_statistics(stats, matrix=form)
    target = jnp.asarray(dense_target(stats))
    W = jnp.asarray(np.random.default_rng(1).normal(size=(37, 4)))
    np.testing.assert_allclose(one.loss(W), jnp.sum((target - W @ W.T) ** 2) / 4, rtol=1e-12)
    np.testing.assert_allclose(one.gradient(W), quartic_gradient(target, W), atol=1e-11)
    many = one.shard(jax.devices())
    np.testing.assert_allclose(many.loss(W), one.loss(W), rtol=1e-12)
    np.testing.assert_allclose(many.gradient(W), one.gradient(W), atol=1e-11)


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("loss", ["quartic", "logistic"])
def test_any_problem_on_eight_devices(form, loss, monkeypatch):
    """37 words on 8 devices, so that some rows are empty; untied and asymmetric."""
    # As if the seen pairs were few: then products are taken over them alone.
    monkeypatch.setattr(problem, "_SAMPLED_BELOW", 2)
    one = wf.Problem.from_statistics(
        random_statistics(37), weighting=wf.Mikolov(), loss=loss, tied=False, matrix=form
    )
    many = one.shard(jax.devices())
    W = np.random.default_rng(1).normal(size=(2, 37, 4))
    np.testing.assert_allclose(many.loss(W), one.loss(W), rtol=1e-12)
    np.testing.assert_allclose(many.gradient(W), one.gradient(W), atol=1e-11)
    ts = np.linspace(0, 2, 4)
    flows = [wf.solve_flow(p, 0.1 * W, ts, recording=wf.Recording(save_embeddings=True)) for p in (one, many)]
    for name in ("singular_values", "loss", "embeddings", "contexts"):
        np.testing.assert_allclose(getattr(flows[1], name), getattr(flows[0], name), rtol=1e-7, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    width=st.integers(1, 9),
    density=st.floats(0, 1),
    seed=st.integers(0, 99),
    dtype=st.sampled_from([np.float32, np.float64]),
    index=st.sampled_from([np.int32, np.int64]),
)
def test_sparse_product_equals_scipy(rows, columns, width, density, seed, dtype, index):
    """The compiled loop inside XLA and XLA's own operations; empty rows and matrices too."""
    rng = np.random.default_rng(seed)
    matrix = sparse.csr_array(sparse.random_array((rows, columns), density=density, rng=rng, dtype=dtype))
    block = rng.normal(size=(columns, width)).astype(dtype)
    arrays = (matrix.indptr.astype(index), matrix.indices.astype(index), matrix.data, block)
    tolerance = 50 * np.finfo(dtype).eps
    for product in (csr.csr_matmul, csr.csr_matmul_in_chunks):
        found = jax.jit(product)(*map(jnp.asarray, arrays))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, matrix @ block, atol=tolerance, rtol=tolerance)


def test_product_in_several_chunks(monkeypatch):
    """More entries than are gathered at a time, the last chunk not full."""
    rng = np.random.default_rng(0)
    matrix = sparse.csr_array(sparse.random_array((50, 60), density=0.5, rng=rng))
    block = rng.normal(size=(60, 3))
    arrays = tuple(map(jnp.asarray, (matrix.indptr, matrix.indices, matrix.data, block)))
    for chunk in (1, 7, matrix.nnz - 1, matrix.nnz):
        monkeypatch.setattr(csr, "_CHUNK", 3 * chunk)
        product = jax.jit(lambda *arrays: csr.csr_matmul_in_chunks(*arrays))
        np.testing.assert_allclose(product(*arrays), matrix @ block, atol=1e-12)


def test_the_form_is_chosen_by_density_and_size(monkeypatch):
    def form(stats, **options):
        return type(wf.Problem.from_statistics(stats, **options).target_operator())

    stats = random_statistics(37)
    assert form(stats) is DenseOperator
    assert form(stats, matrix="sparse") is SparseOperator
    monkeypatch.setattr(matrix_form, "_DENSE_UP_TO", 30)
    assert form(stats) is DenseOperator
    monkeypatch.setattr(matrix_form, "_SPARSE_BELOW", 1.1)
    assert form(stats) is SparseOperator
    assert form(stats, matrix="dense") is DenseOperator


def test_what_does_not_fit_is_refused_before_it_is_made(monkeypatch):
    stats = random_statistics(37)
    sparse_problem = wf.Problem.from_statistics(stats, matrix="sparse")
    need = matrix_form._dense_bytes(37)
    for module in (resources, matrix_form):
        monkeypatch.setattr(module, "available_memory", lambda: need - 1)
    with pytest.raises(ValueError, match=r"a need of .* GB against .* available\. Use matrix='sparse'"):
        wf.Problem.from_statistics(stats, matrix="dense")
    # Of itself it takes the form that fits.
    assert isinstance(wf.Problem.from_statistics(stats).target_operator(), SparseOperator)
    for module in (resources, matrix_form):
        monkeypatch.setattr(module, "available_memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"the sparse matrix of .* fits into memory, .*most_frequent"):
        wf.Problem.from_statistics(stats)
    with pytest.raises(ValueError, match=r"a dense matrix of 37 words fits .*`problem.target_operator\(\)`"):
        sparse_problem.target()


def test_embeddings_that_do_not_fit_are_refused_before_they_are_made(monkeypatch):
    one = wf.Problem.from_statistics(random_statistics(30))
    W0 = wf.gaussian_init(jax.random.key(0), 30, 2, 0.1)
    phase = wf.Phase(one, [0.1, 0.2])
    monkeypatch.setattr(resources, "available_memory", lambda: 2 * 8 * 2 * 30 * 2 - 1)
    for solve in (
        lambda: wf.predict(one, W0, [0.1, 0.2], save_embeddings=True),
        lambda: wf.solve_flow(one, W0, [0.1, 0.2], recording=wf.Recording(save_embeddings=True)),
        lambda: wf.predict_phases([phase], W0, save_embeddings=True),
    ):
        with pytest.raises(ValueError, match=r"`save_embeddings` must be .*30 words at 2 times of 1 seeds"):
            solve()
    with pytest.raises(ValueError, match=r"the table of pairs of 30 words fits.*most_frequent"):
        wf.run_sgd(one, W0, [0.1], key=jax.random.key(0), learning_rate=0.01, batch_size=2)


def test_available_memory_is_a_sane_number():
    assert 10**7 < resources.available_memory() < 10**14


def test_memory_where_the_system_does_not_say_what_is_free(monkeypatch):
    def hidden(*arguments, **options):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", hidden)
    # A machine of 64 pages of 64 bytes.
    monkeypatch.setattr("os.sysconf", lambda name: 64)
    assert resources.available_memory() == 4096


def test_bad_operators():
    half = np.triu(np.ones((4, 4)))
    with pytest.raises(ValueError, match=r"`matrix` must be symmetric, .* \|M - M\^T\| of 1"):
        wf.Problem.from_target(half)
    with pytest.raises(ValueError, match=r"`matrix` must be square"):
        wf.Problem.from_target(np.ones((4, 3)))
    with pytest.raises(ValueError, match="`matrix` must be symmetric"):
        wf.Problem.from_target(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match=r"`block` must be of shape \(37, b\)"):
        operators()[1]["sparse"].product(np.ones((36, 2)))
    with pytest.raises(ValueError, match="`matrix` must be 'auto', 'dense' or 'sparse'"):
        wf.Problem.from_statistics(random_statistics(5), matrix="csr")


def test_sgd_needs_statistics():
    with pytest.raises(
        ValueError, match="`problem` must be made from statistics, from which pairs are drawn"
    ):
        wf.run_sgd(
            wf.Problem.from_target(np.eye(3)), np.ones((3, 1)), [1.0],
            key=jax.random.key(0), learning_rate=0.1, batch_size=2,
        )  # fmt: skip


def test_a_fingerprint_tells_operators_apart():
    _, forms = operators()
    other = wf.Problem.from_statistics(random_statistics(37, seed=1), matrix="sparse").target_operator()
    same = wf.Problem.from_statistics(random_statistics(37), matrix="sparse").target_operator()
    assert forms["sparse"].fingerprint() == same.fingerprint()
    marks = [o.fingerprint() for o in (*forms.values(), other, DiagonalOperator.of(np.ones(37)))]
    assert len(set(marks)) == 4


def test_without_float64_hardware_everything_goes_to_a_device_that_has_it(monkeypatch):
    """The first device stands for a TPU: theory and flow go to the next, and the result says so."""
    lacking = jax.devices()[0]
    monkeypatch.setattr(devices, "has_float64", lambda device: device != lacking)
    one = wf.Problem.from_statistics(random_statistics(30))
    assert one.target().devices() == {jax.devices()[1]}
    W0 = wf.gaussian_init(jax.random.key(0), 30, 3, 1e-2)
    for solve in (wf.predict, wf.solve_flow):
        assert "no float64 on" in solve(one, W0, [0.1]).metadata["device"]
    with pytest.raises(ValueError, match="`devices` must be devices that have float64"):
        one.shard(jax.devices())
    sgd = wf.run_sgd(
        one, W0, [0.1], key=jax.random.key(0), learning_rate=0.01, batch_size=256, sampler="balanced"
    )
    assert sgd.singular_values.dtype == np.float32
