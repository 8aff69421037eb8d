"""Block Lanczos against dense linear algebra; its states after a kill."""

import os
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from w2vflow.spectrum.lanczos import algebraic, both_ends, by_size, check_symmetric, lanczos_eigenpairs
from w2vflow.support.checkpoint import Checkpoint


def known_matrix(size=700, dtype=np.float64):
    """A spectrum like that of M*: a huge negative end, slow decay and close pairs."""
    rng = np.random.default_rng(0)
    half = size // 2
    values = np.concatenate([[-300.0], 100 / np.arange(1, half) ** 0.7, -rng.random(size - half)])
    values = np.sort(values)[::-1]
    values[5] = values[4] * (1 - 1e-4)
    Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    return ((Q * values) @ Q.T).astype(dtype), values


@pytest.mark.parametrize(("order", "k"), [(algebraic, 12), (by_size, 12), (both_ends, 2)])
@pytest.mark.parametrize(("dtype", "tol"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize("block", [1, 8, 32])
def test_block_lanczos_equals_dense(order, k, dtype, tol, block):
    size = 700
    matrix, values = known_matrix(size, dtype)
    found = lanczos_eigenpairs(lambda v: matrix @ v, size, k, tol=tol, order=order, dtype=dtype, block=block)
    expected = values[order(values)][:k]
    np.testing.assert_allclose(found.values, expected, rtol=10 * tol, atol=10 * tol * abs(expected).max())
    assert np.abs(found.vectors.T @ found.vectors - np.eye(k)).max() < 100 * np.finfo(dtype).eps
    true = np.linalg.norm(matrix.astype(float) @ found.vectors - found.vectors * found.values, axis=0)
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
    found = lanczos_eigenpairs(lambda v: matrix @ v, 400, 20, tol=1e-12, block=4, max_products=100)
    assert found.residuals.max() > 1e-12 * found.values[0]
    true = np.linalg.norm(matrix @ found.vectors - found.vectors * found.values, axis=0)
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
    matrix = ((Q * values) @ Q.T).astype(dtype)
    found = lanczos_eigenpairs(lambda v: matrix @ v, size, k, tol=1e-5, dtype=dtype, block=4)
    np.testing.assert_allclose(found.values, values[:k], atol=1e-4 * max(values[0], 1e-30))
    assert np.abs(found.vectors.T @ found.vectors - np.eye(k)).max() < 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(found.weights.sum(), size - k, rtol=1e-12)


def test_smallest_basis_still_converges():
    matrix, values = known_matrix()
    found = lanczos_eigenpairs(lambda v: matrix @ v, 700, 12, tol=1e-8, block=8, max_basis=52)
    np.testing.assert_allclose(found.values, values[:12], rtol=1e-8)


def test_bad_sizes():
    with pytest.raises(ValueError, match="`k` must be at most 60 to iterate in dimension 100"):
        lanczos_eigenpairs(lambda v: v, 100, 61, tol=1e-5, block=8)
    with pytest.raises(ValueError, match="`max_basis` must be at least 45 for 5 pairs, but got 44"):
        lanczos_eigenpairs(lambda v: v, 100, 5, tol=1e-5, block=8, max_basis=44)


@pytest.mark.parametrize(("dtype", "size"), [(np.float64, 1e-4), (np.float32, 1e-2)])
def test_symmetry_is_checked_by_products(dtype, size):
    matrix, _ = known_matrix(300, dtype)
    check_symmetric(lambda v: matrix @ v, 300, dtype)
    check_symmetric(lambda v: 0 * v, 300, dtype)
    half = np.random.default_rng(1).normal(size=(300, 300))
    skew = matrix + (size * np.linalg.norm(matrix) / 300 * half).astype(dtype)
    with pytest.raises(ValueError, match="x\\^T A y and y\\^T A x that differ by"):
        check_symmetric(lambda v: skew @ v, 300, dtype)
    with pytest.raises(ValueError, match=r"of shape \(300, 8\), but got shape \(8, 300\)"):
        check_symmetric(lambda v: v.T, 300, dtype)
    with pytest.raises(ValueError, match="finite"):
        check_symmetric(lambda v: v * np.nan, 300, dtype)


# --- states -------------------------------------------------------------------------------------


def run(matrix, folder=None, k=12, every=0.0, product=None, **settings):
    checkpoint = None if folder is None else Checkpoint(folder, {"operator": "known"}, every)
    return lanczos_eigenpairs(
        product or (lambda v: matrix @ v),
        len(matrix),
        k,
        tol=1e-10,
        block=8,
        checkpoint=checkpoint,
        **settings,
    )


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("every", [0.0, 1e9])
@pytest.mark.parametrize("at", [1, 4, 7, 20])
def test_run_goes_on_after_an_error_to_the_same_bits(tmp_path, at, every):
    matrix, _ = known_matrix()
    folder, calls = tmp_path / "state", []

    def failing(v):
        calls.append(v.shape)
        if len(calls) == at:
            raise KeyboardInterrupt
        return matrix @ v

    with pytest.raises(KeyboardInterrupt):
        run(matrix, folder, every=every, product=failing)
    again = []
    resumed = run(matrix, folder, every=every, product=lambda v: (again.append(1), matrix @ v)[1])
    assert_same(resumed, run(matrix))
    if every == 0:
        assert len(again) == resumed.products // 8 - at + 1
    assert not folder.exists()


SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
from test_lanczos import known_matrix, run
matrix, _ = known_matrix()
marks = Path(sys.argv[2])
def product(v):
    # Says how far it is; from the given product on, waits there to be killed while a state is whole.
    count = len(list(marks.iterdir()))
    (marks / str(count)).touch()
    if count == int(sys.argv[3]):
        time.sleep(600)
    return matrix @ v
run(matrix, sys.argv[1], product=product)
"""


@pytest.mark.parametrize("at", [3, 12])
def test_run_goes_on_after_a_kill_to_the_same_bits(tmp_path, at):
    marks, folder = tmp_path / "marks", tmp_path / "state"
    marks.mkdir()
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(__file__))
    command = [sys.executable, "-c", SCRIPT, str(folder), str(marks), str(at)]
    process = subprocess.Popen(command, env=environment)
    while not (marks / str(at)).exists():
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
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
    assert len(list(folder.iterdir())) == 3
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
    """Room for less than what an iteration really takes is refused, three times as much is enough."""
    from w2vflow.support import machine

    matrix, _ = known_matrix()

    def found():
        return lanczos_eigenpairs(lambda v: matrix @ v, 700, 30, tol=1e-10, block=block)

    found()
    tracemalloc.start()
    try:
        found()
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(machine, "available_memory", lambda: 3 * taken)
    found()
    monkeypatch.setattr(machine, "available_memory", lambda: taken)
    with pytest.raises(ValueError, match="`k` must be such that a basis"):
        found()
