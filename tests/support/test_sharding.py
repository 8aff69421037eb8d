"""The same numbers from one device, from eight in a process, and from two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf

TESTS = Path(__file__).parents[1]


def system():
    """A problem of a size that no number of devices divides, initial weights and times."""
    problem = wf.Problem.from_statistics(random_statistics(37), matrix="sparse")
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), 37, 4, 1e-3)
    end = 1.2 * wf.step_time_law(problem, 4, 1e-3).mean.max()
    return problem, W0, np.linspace(0, end, 12)


def results(problem, W0, ts):
    """Everything that is computed on the rows of many devices."""
    flow = wf.solve_flow(problem, W0, ts, basis="words", recording=wf.Recording(save_embeddings=True))
    spectrum = wf.leading_eigenpairs(problem, 4)
    return {
        "singular_values": flow.singular_values,
        "loss": flow.loss,
        "embeddings": flow.embeddings,
        "eigenvalues": spectrum.eigenvalues,
        "product": np.asarray(problem.target_operator().product(W0[0])),
        "objective": np.asarray(problem.loss(W0[0])),
    }


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        size = np.abs(value).max()
        assert np.abs(np.asarray(found[name]) - value).max() < 1e-10 * size, name


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_eight_devices_equal_one(form):
    _, W0, ts = system()
    problem = wf.Problem.from_statistics(random_statistics(37), matrix=form)
    assert len(jax.devices()) == 8
    many = problem.shard(jax.devices())
    assert_equal(results(many, W0, ts), results(problem, W0, ts))
    flow = wf.solve_flow(many, W0, ts, basis="words")
    assert flow.metadata["device"].startswith("8 x ")


def test_eigenbasis_flow_on_eight_devices():
    problem, W0, ts = system()
    one, many = (
        wf.solve_flow(p, W0, ts, basis="eigenvectors", recording=wf.Recording(save_embeddings=True))
        for p in (problem, problem.shard(jax.devices()))
    )
    assert_equal({"W": many.embeddings}, {"W": one.embeddings})
    assert many.metadata["method"] == "eigenbasis flow"


def test_a_known_problem_on_eight_devices_within_traced_functions():
    """What it asks of the spectrum of a known problem is found once, before."""
    one = wf.Problem.from_statistics(random_statistics(600), matrix="sparse")
    many, W = one.shard(jax.devices()), wf.gaussian_init(jax.random.key(1), 600, 3, 1e-2)

    def found(problem, size):
        descent = wf.run_gd(problem, size * W, [0.002], learning_rate=1e-3)
        times = wf.predict_step_times(problem, size * W)
        return times, descent.loss, wf.leading_eigenpairs(problem, 3).eigenvalues

    expected = found(one, 1.0)
    mapped = jax.vmap(lambda size: found(many, size))(np.ones(2))
    for result in (found(many, 1.0), jax.jit(lambda size: found(many, size))(1.0)):
        for array, known in zip(result, expected, strict=True):
            np.testing.assert_allclose(array, known, rtol=1e-10)
    for array, known in zip(mapped, expected, strict=True):
        np.testing.assert_allclose(array[1], known, rtol=1e-10)


WORKER = """
import sys
import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", 2)
jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]))
import numpy as np
from test_sharding import results, system

problem, W0, ts = system()
assert len(jax.devices()) == 4 and len(jax.local_devices()) == 2
np.savez(sys.argv[3], **results(problem.shard(jax.devices()), W0, ts))
"""


def test_two_processes_equal_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS / 'support'}", "JAX_PLATFORMS": "cpu"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, address, str(rank), str(tmp_path / f"{rank}.npz")],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        errors = [worker.communicate(timeout=300)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(errors)
    expected = results(*system())
    for rank in range(2):
        with np.load(tmp_path / f"{rank}.npz") as found:
            assert_equal(dict(found), expected)
