"""Float64 for all tests, shapes and types of the package checked at run time, small known problems."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if "PYTEST_XDIST_WORKER" not in os.environ:
    # What one process of the tests compiles, or a program that they start, serves the others.
    COMPILED = tempfile.mkdtemp(prefix="w2vflow-compiled-")
    atexit.register(shutil.rmtree, COMPILED, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    # Commands keep numba's code beside the source, where that of the tests is.
    os.environ["W2VFLOW_COMPILED"] = "off"

import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", 8)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

with install_import_hook("w2vflow", "beartype.beartype"):
    from systems import random_statistics

    import w2vflow as wf


@pytest.fixture(autouse=True, scope="module")
def compiled_code_of_one_file() -> Iterator[None]:
    """Drop compiled functions after each file: they take memory maps, of which Linux allows 65,530."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def corpus_folder() -> Path:
    """The folder with the big corpus, where the environment says so."""
    folder = os.environ.get("W2VFLOW_TEST_DATA")
    if not folder:
        pytest.skip("W2VFLOW_TEST_DATA is not set: it names the folder with enwiki15k.txt.xz")
    return Path(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A Chromium without a window, which asks nobody for anything of its own accord."""
    names = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    program = next(filter(None, names), None)
    if program is None:
        pytest.skip("There is no Chromium: install one to test pages.")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    switches += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=switches)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stats() -> wf.CooccurrenceStatistics:
    return random_statistics(30)


@pytest.fixture(scope="session")
def problem(stats: wf.CooccurrenceStatistics) -> wf.Problem:
    return wf.Problem.from_statistics(stats)


@pytest.fixture(scope="session")
def basis(problem: wf.Problem) -> wf.Spectrum:
    return wf.leading_eigenpairs(problem, problem.vocab_size)


@pytest.fixture(scope="session")
def wikipedia() -> wf.CooccurrenceStatistics:
    return wf.load_statistics("enwiki15k-v3000")


@pytest.fixture(scope="module")
def solved(problem: wf.Problem, basis: wf.Spectrum) -> tuple[wf.Trajectory, ...]:
    """Theory and SGD of three seeds and a flow of one, on one axis."""
    keys = jax.random.split(jax.random.key(0), 3)
    W0 = wf.gaussian_init(keys, 30, 4, 1e-2)
    run = {"dim": 4, "scale": 1e-2, "learning_rate": 0.005, "batch_size": 500, "sampler": "balanced"}
    sgd = wf.run_sgd_ensemble(problem, keys, 0.05 * np.arange(9), **run)
    flow = wf.solve_flow(problem, W0[0], sgd.ts, recording=wf.Recording(save_embeddings=True))
    return wf.predict(problem, W0, sgd.ts), flow, sgd


@pytest.fixture(scope="module")
def together(solved: tuple[wf.Trajectory, ...], basis: wf.Spectrum) -> wf.Comparison:
    return wf.compare(*solved, spectrum=basis.leading(6))
