"""Block Lanczos against dense linear algebra; its states after a kill."""

import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from w2vflow.problem import DenseOperator, DiagonalOperator
from w2vflow.spectrum import lanczos
from w2vflow.spectrum.lanczos import check_symmetric, lanczos_eigenpairs
from w2vflow.spectrum.ranking import algebraic, both_ends, by_size
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.devices import word_mesh


def known_matrix(size=700, dtype=np.float64):
    """A spectrum like that of M*: a huge negative end, slow decay and close pairs."""
    rng = np.random.default_rng(0)
    half = size // 2
    values = np.concatenate([[-300.0], 100 / np.arange(1, half) ** 0.7, -rng.random(size - half)])
    values = np.sort(values)[::-1]
    values[5] = values[4] * (1 - 1e-4)
    Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = (Q * values) @ Q.T
    return ((matrix + matrix.T) / 2).astype(dtype), values


def operator_of(matrix):
    return DenseOperator.of(jnp.asarray(matrix))


@pytest.mark.parametrize(
    ("values", "algebraically", "in_size", "from_both_ends"),
    [
        ([1.0, -3.0, 2.0], [2, 0, 1], [1, 2, 0], [2, 1, 0]),
        ([0.0, 0.0, -1.0, 5.0], [3, 0, 1, 2], [3, 2, 0, 1], [3, 2, 0, 1]),
    ],
)
def test_orders_of_values(values, algebraically, in_size, from_both_ends):
    """Equal ones stay as they are; those that are not counted come last."""
    for order, expected in ((algebraic, algebraically), (by_size, in_size), (both_ends, from_both_ends)):
        assert order(jnp.array(values)).tolist() == expected
        counted = jnp.arange(len(values) + 2) < len(values)
        assert order(jnp.array([*values, 9.0, -9.0]), counted)[: len(values)].tolist() == expected


@pytest.mark.parametrize(("order", "k"), [(algebraic, 12), (by_size, 12), (both_ends, 2)])
@pytest.mark.parametrize(("dtype", "tol"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize("block", [1, 8, 32])
def test_block_lanczos_equals_dense(order, k, dtype, tol, block):
    size = 700
    matrix, values = known_matrix(size, dtype)
    found = lanczos_eigenpairs(operator_of(matrix), k, tol=tol, order=order, block=block)
    assert found.values.dtype == np.float64
    assert found.vectors.dtype == dtype
    expected = values[np.asarray(order(values))][:k]
    np.testing.assert_allclose(found.values, expected, rtol=10 * tol, atol=10 * tol * abs(expected).max())
    assert np.abs(found.vectors.T @ found.vectors - np.eye(k)).max() < 100 * np.finfo(dtype).eps
    vectors = np.asarray(found.vectors)
    true = np.linalg.norm(matrix.astype(float) @ vectors - vectors * np.asarray(found.values), axis=0)
    assert true.max() < 3 * tol * abs(expected).max()
    assert found.residuals.max() <= tol * abs(expected).max()
    np.testing.assert_allclose(found.weights.sum(), size - k, rtol=1e-12)
    if dtype is np.float64 and block == 8:
        # It did restart: more products than the basis ever holds.
        assert found.products > 3 * k + 5 * block


def test_residuals_tell_what_did_not_converge():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(400, 400))
    matrix = half + half.T
    found = lanczos_eigenpairs(operator_of(matrix), 20, tol=1e-12, block=4, max_products=100)
    assert found.residuals.max() > 1e-12 * found.values[0]
    vectors = np.asarray(found.vectors)
    true = np.linalg.norm(matrix @ vectors - vectors * np.asarray(found.values), axis=0)
    np.testing.assert_allclose(true, found.residuals, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rank", [0, 1, 5, 20])
def test_exhausted_range_and_repeated_eigenvalues(dtype, rank):
    """Rank far below the basis, and an eigenvalue repeated more often than a block is wide."""
    size, k = 300, 12
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]
    values = np.zeros(size)
    values[:rank] = 7.0
    values[: rank // 4] = 1000.0
    found = lanczos_eigenpairs(operator_of(((Q * values) @ Q.T).astype(dtype)), k, tol=1e-5, block=4)
    np.testing.assert_allclose(found.values, values[:k], atol=1e-4 * max(values[0], 1e-30))
    assert np.abs(found.vectors.T @ found.vectors - np.eye(k)).max() < 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(found.weights.sum(), size - k, rtol=1e-12)


def test_smallest_basis_still_converges():
    matrix, values = known_matrix()
    found = lanczos_eigenpairs(operator_of(matrix), 12, tol=1e-8, block=8, max_basis=52)
    np.testing.assert_allclose(found.values, values[:12], rtol=1e-8)


def test_bad_sizes():
    with pytest.raises(ValueError, match="`k` must be at most 60 to iterate in dimension 100"):
        lanczos_eigenpairs(operator_of(np.eye(100)), 61, tol=1e-5, block=8)
    with pytest.raises(ValueError, match="`max_basis` must be at least 45 for 5 pairs, but got 44"):
        lanczos_eigenpairs(operator_of(np.eye(100)), 5, tol=1e-5, block=8, max_basis=44)


@pytest.mark.parametrize(("dtype", "size"), [(np.float64, 1e-4), (np.float32, 1e-2)])
def test_symmetry_is_checked_by_products(dtype, size):
    matrix, _ = known_matrix(300, dtype)

    def unchecked(entries):
        return DenseOperator(300, word_mesh(), jnp.asarray(entries))

    check_symmetric(unchecked(matrix))
    check_symmetric(unchecked(0 * matrix))
    half = np.random.default_rng(1).normal(size=(300, 300))
    skew = matrix + (size * np.linalg.norm(matrix) / 300 * half).astype(dtype)
    with pytest.raises(ValueError, match="x\\^T A y and y\\^T A x that differ by"):
        check_symmetric(unchecked(skew))
    with pytest.raises(ValueError, match="finite"):
        check_symmetric(unchecked(matrix * np.nan))


def test_devices_share_the_rows():
    """On three devices, which do not share 700 rows evenly, to rounding; the lost rank is filled up too."""
    matrix, values = known_matrix()
    mesh = word_mesh(jax.devices()[:3])
    shared = DenseOperator.of(matrix, mesh)
    found, alone = (lanczos_eigenpairs(one, 12, tol=1e-10, block=8) for one in (shared, operator_of(matrix)))
    np.testing.assert_allclose(found.values, values[:12], rtol=1e-9)
    assert np.abs(np.abs(np.sum(found.vectors * alone.vectors, axis=0)) - 1).max() < 1e-9
    few = np.zeros(300)
    few[:3] = 7.0
    found = lanczos_eigenpairs(DiagonalOperator.of(few, mesh), 12, tol=1e-5, block=4)
    np.testing.assert_allclose(found.values, few[:12], atol=1e-9)


# --- states -------------------------------------------------------------------------------------


def run(matrix, folder=None, k=12, every=0.0, **settings):
    checkpoint = None if folder is None else Checkpoint(folder, {"operator": "known"}, every)
    return lanczos_eigenpairs(operator_of(matrix), k, tol=1e-10, block=8, checkpoint=checkpoint, **settings)


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_killed_when_all_is_done_takes_no_step_more(tmp_path, monkeypatch):
    """Its last state is whole, and only its removal was still to come."""
    matrix, _ = known_matrix()
    folder, advanced, remove = tmp_path / "state", lanczos._advanced, Checkpoint.remove

    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        run(matrix, folder)
    monkeypatch.setattr(Checkpoint, "remove", remove)
    monkeypatch.setattr(lanczos, "_advanced", lambda *arguments: pytest.fail("one more step"))
    resumed = run(matrix, folder)
    monkeypatch.setattr(lanczos, "_advanced", advanced)
    assert_same(resumed, run(matrix))


@pytest.mark.parametrize("at", [1, 4, 7, 20])
def test_run_goes_on_after_an_error_to_the_same_bits(tmp_path, at, monkeypatch):
    matrix, _ = known_matrix()
    folder, calls, advanced = tmp_path / "state", [], lanczos._advanced

    def failing(*arguments):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return advanced(*arguments)

    monkeypatch.setattr(lanczos, "_advanced", failing)
    with pytest.raises(KeyboardInterrupt):
        run(matrix, folder)
    before = len(calls)
    resumed = run(matrix, folder)
    # A state after every step: nothing is done twice.
    assert len(calls) - before == resumed.products // 8 - at + 1
    assert_same(resumed, run(matrix))
    assert not folder.exists()


def test_states_are_left_when_they_are_due(tmp_path, monkeypatch):
    """With an hour between two, the whole run is a few calls, of more and more steps."""
    matrix, _ = known_matrix()
    calls, advanced = [], lanczos._advanced
    monkeypatch.setattr(lanczos, "_advanced", lambda *arguments: (calls.append(1), advanced(*arguments))[1])
    monkeypatch.setattr(Checkpoint, "save", lambda *a, **o: calls.append("saved"))
    found = run(matrix, tmp_path / "state", every=3600.0)
    assert 1 < calls.count(1) < found.products / 8 / 3
    assert calls.count("saved") == 1


SCRIPT = """
import sys
import jax
jax.config.update("jax_enable_x64", True)
# Other numbers of devices have other threads, which round otherwise.
jax.config.update("jax_num_cpu_devices", 8)
from test_lanczos import known_matrix, run
from w2vflow.spectrum import lanczos
advanced, count = lanczos._advanced, []
def slow(*arguments):
    # Says how far it is, and waits there to be killed while a state is whole.
    count.append(1)
    if len(count) == int(sys.argv[2]):
        print("there", flush=True)
        sys.stdin.read()
    return advanced(*arguments)
lanczos._advanced = slow
run(known_matrix()[0], sys.argv[1])
"""


@pytest.mark.parametrize("at", [3, 12])
def test_run_goes_on_after_a_kill_to_the_same_bits(tmp_path, at):
    folder = tmp_path / "state"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([os.path.dirname(__file__), *sys.path]))
    command = [sys.executable, "-c", SCRIPT, str(folder), str(at)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        assert process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGKILL)
    matrix, _ = known_matrix()
    assert (folder / "manifest.json").exists()
    assert_same(run(matrix, folder), run(matrix))


@pytest.mark.parametrize("step", ["array", "manifest", "delete"])
def test_kill_within_a_save_leaves_the_older_or_the_newer_state(tmp_path, step, monkeypatch):
    """Every step of a save fails once, leaving the folder as a kill would."""
    from w2vflow.support import checkpoint

    matrix, _ = known_matrix()
    save, calls = Checkpoint.save, []

    def dying(*a, **o):
        calls.append(1)
        if len(calls) == 6:
            name = {"array": "np.save", "manifest": "write_json", "delete": "_delete"}[step]
            target, attribute = (checkpoint.np, "save") if step == "array" else (checkpoint, name)

            def stop(*a, **o):
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(target, attribute, stop)
                save(*a, **o)
        save(*a, **o)

    monkeypatch.setattr(Checkpoint, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        run(matrix, tmp_path / "state")
    monkeypatch.undo()
    assert_same(run(matrix, tmp_path / "state"), run(matrix))


def test_state_of_another_run_is_refused_by_what_differs(tmp_path):
    matrix, _ = known_matrix()
    run(matrix, tmp_path, max_products=24)
    with pytest.raises(
        ValueError, match=r"of a run with k = 12 \(now 11\), capacity = 76 \(now 73\)\. Choose"
    ):
        run(matrix, tmp_path, k=11)
    with pytest.raises(ValueError, match=r"with order = 'algebraic' \(now 'by_size'\)"):
        run(matrix, tmp_path, order=by_size)
    # More products for the same run are welcome: it goes on.
    assert_same(run(matrix, tmp_path), run(matrix))


def test_arrays_of_a_state(tmp_path):
    folder = tmp_path / "state"
    state = Checkpoint(folder, {"operator": "known"})
    assert state.load() is None
    first, second = np.arange(6.0).reshape(2, 3), np.ones((3, 2), np.float32, order="F")
    state.save({"first": first, "second": second}, {"step": 1})
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*first.npy")}
    state.save({"second": 2 * second}, {"step": 2}, unchanged=["first"])
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*first.npy")} == kept
    arrays, manifest = state.load()
    assert manifest == {"step": 2}
    np.testing.assert_array_equal(arrays["first"], first)
    np.testing.assert_array_equal(arrays["second"], 2)
    assert len(list(folder.glob("[!.]*"))) == 3
    with pytest.raises(ValueError, match=r"names of arrays saved in .* before, but got \['third'\]"):
        state.save({}, {}, unchanged=["third"])
    next(iter(kept)).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"an array that cannot be read.*Delete it to start anew"):
        state.load()
    (folder / "notes.txt").touch()
    state.remove()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="a manifest that is not JSON"):
        state.load()


@pytest.mark.parametrize("block", [1, 32])
def test_memory_is_asked_for_as_it_is_taken(block, monkeypatch):
    """What the compiled iteration needs beside its matrix, with the pairs, by XLA's own account."""
    matrix, _ = known_matrix()
    operator = operator_of(matrix)
    asked = []
    monkeypatch.setattr(lanczos, "check_fits", lambda argument, what, need, remedy: asked.append(need))
    lanczos_eigenpairs(operator, 30, tol=1e-10, block=block)
    plan = lanczos.Plan(700, 30, block, 90 + 5 * block, algebraic, operator.mesh)
    limits = lanczos.Limits(jnp.array(1e-10), *(jnp.array(10**9, jnp.int32),) * 2)
    task = operator, plan, limits, lanczos.none_yet(plan)
    basis = lanczos._begun(operator, plan)
    sizes = lanczos._advanced.lower(task, basis).compile().compiled.memory_analysis()
    taken = sizes.temp_size_in_bytes + basis.nbytes + 30 * 700 * 8
    assert taken < asked[0] < 4 * taken
