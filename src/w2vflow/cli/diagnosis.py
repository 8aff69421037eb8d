"""Checks of an installation: versions, devices, data, and a test against exact results.

Everything is loaded where it is looked at: if a package is missing or broken, the others are still seen.
"""

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import w2vflow as wf
from w2vflow.support.compiled_code import compiled_code_folder
from w2vflow.support.machine import (
    available_cores,
    available_disk,
    available_memory,
    existing_folder,
    readable_bytes,
)
from w2vflow.support.ownership import is_own_folder

__all__ = ["Check", "diagnose"]

# Those whose versions are listed each on a line of its own.
_NAMED = ("jax", "jaxlib", "diffrax", "optax", "equinox", "numpy", "scipy")
# What is not there without an extra: the packages, and what for.
_EXTRAS = {
    "dumps": (("mwparserfromhell",), "to read MediaWiki dumps"),
    "huggingface": (("datasets", "pyarrow"), "to read Parquet files and datasets of the Hugging Face hub"),
    "remote": (("fsspec", "aiohttp", "s3fs"), "to read texts of other machines, https:// and s3://"),
    "cluster": (("distributed",), "to count on a cluster of Dask"),
}
_REINSTALL = "pip install --force-reinstall w2vflow"
_NEEDED_MEMORY, _NEEDED_DISK = 2e9, 1e8
# Of the self-test: words, dimension, initial scale, and where the time axis ends, in 1 / lambda_1.
_WORDS, _DIM, _SCALE, _TURNS = 60, 4, 1e-2, 24.0


@dataclass(frozen=True)
class Check:
    """A finding on one thing; `ok` is None for a warning: of something that only some commands need."""

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""

    def line(self) -> str:
        """Return it as a line for people."""
        verdict = {True: "ok", None: "warning", False: "FAILED"}[self.ok]
        remedy = f"  ->  {self.remedy}" if self.remedy and not self.ok else ""
        return f"{verdict:<8} {self.name:<22} {self.detail}{remedy}"


def diagnose() -> Iterator[Check]:
    """Yield the findings, one after the other, within some ten seconds.

    Nothing is raised: what cannot be looked at has failed, and the next is looked at. JAX's settings
    are left as they are.
    """
    for name, look in _LOOKS.items():
        yield from _guarded(name, look)


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield the checks of a look; after an exception, one that failed in place of the rest."""
    try:
        yield from look()
    except Exception as error:
        yield Check(name, False, f"{type(error).__name__}: {error}", _REINSTALL)


def _versions() -> Iterator[Check]:
    """Python, w2vflow and what it requires, each against the declared range."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    metadata = importlib.metadata.metadata("w2vflow")
    python, wanted = platform.python_version(), metadata["Requires-Python"]
    fits = SpecifierSet(wanted).contains(python, prereleases=True)
    yield Check("Python", fits, f"{python}, {platform.platform()}", f"install Python {wanted}")
    yield Check("w2vflow", True, importlib.metadata.version("w2vflow"))
    others = []
    for text in importlib.metadata.requires("w2vflow") or []:
        required = Requirement(text)
        if required.marker is not None and not required.marker.evaluate({"extra": ""}):
            continue
        found = _version(required.name)
        right = found is not None and required.specifier.contains(found, prereleases=True)
        if right and required.name not in _NAMED:
            others.append(required.name)
            continue
        detail = f"{found or 'missing'} (declared {required.specifier})"
        remedy = f"pip install '{required.name}{required.specifier}'"
        yield Check(required.name, right, detail, remedy)
    yield Check("other packages", True, f"{len(others)} in the declared range")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extras() -> Iterator[Check]:
    """Optional packages; none is needed by anything else."""
    for extra, (packages, purpose) in _EXTRAS.items():
        if missing := [name for name in packages if _version(name) is None]:
            detail = f"without {' and '.join(missing)}, which is there {purpose}"
            yield Check(f"extra {extra}", None, detail, f"pip install 'w2vflow[{extra}]'")
        else:
            yield Check(f"extra {extra}", True, f"{', '.join(packages)}: {purpose}")
    path = shutil.which("ffmpeg")
    if wf.plotting.writes_mp4():
        yield Check("ffmpeg", True, f"{path}: animations will be MP4s")
    else:
        what = "not there" if path is None else f"{path} does not encode H.264"
        remedy = "install ffmpeg with the system's packages"
        yield Check("ffmpeg", None, f"{what}: animations will be GIFs", remedy)


def _devices() -> Iterator[Check]:
    """Devices of JAX, their memory, and whether an accelerator lies idle."""
    import jax

    devices = jax.local_devices()
    for (kind, limit), count in Counter(map(_described, devices)).items():
        memory = f", {readable_bytes(limit)} of memory" + " each" * (count > 1) if limit else ""
        yield Check("devices", True, f"{count} x {kind}{memory}")
    if Path("/dev/nvidia0").exists() and all(device.platform == "cpu" for device in devices):
        yield Check("GPU", None, "there is one that JAX does not see", "pip install -U 'jax[cuda12]'")


def _described(device: Any) -> tuple[str, int]:
    """Return platform and kind of a device, and the bytes of its memory; 0 if it does not say."""
    kind = ", ".join(dict.fromkeys((device.platform, device.device_kind)))
    return kind, (device.memory_stats() or {}).get("bytes_limit", 0)


def _precision() -> Iterator[Check]:
    """Whether float64 is to be had, and how products are rounded."""
    import jax

    from w2vflow.support.devices import float64_device

    device = float64_device()
    with jax.enable_x64(True):
        one = jax.device_put(np.float64(1), device)
        kept = float((one + 1e-12) - one)
    switch = 'commands switch it on; in Python `jax.config.update("jax_enable_x64", True)` does'
    by_default = "on by default" if jax.config.values["jax_enable_x64"] else switch
    detail = f"on {device.device_kind}; {by_default}"
    remedy = "unset JAX_PLATFORMS, so that JAX has a CPU too"
    yield Check("float64", abs(kept / 1e-12 - 1) < 1e-3, detail, remedy)
    products = jax.config.values["jax_default_matmul_precision"] or "JAX's default"
    yield Check("matmul precision", True, f"{products}; where it matters w2vflow asks for the highest")


def _machine() -> Iterator[Check]:
    """Cores and threads, free memory and disk."""
    import scipy.linalg  # noqa: F401  its BLAS is the one that counts
    from threadpoolctl import threadpool_info

    cores = available_cores()
    pools = {(pool["internal_api"], pool["num_threads"]) for pool in threadpool_info()}
    fewest = min((threads for _, threads in pools), default=cores)
    names = ", ".join(f"{name} with {threads}" for name, threads in sorted(pools)) or "unknown"
    detail = f"{cores} cores of {os.cpu_count()}; {names}"
    yield Check("cores and threads", fewest >= cores or None, detail, "unset OMP_NUM_THREADS and its like")
    memory, disk = available_memory(), available_disk(".")
    remedy = "the demo takes 2 GB: use `--vocab-size 500`"
    yield Check("memory", memory >= _NEEDED_MEMORY or None, f"{readable_bytes(memory)} free", remedy)
    detail = f"{readable_bytes(disk)} free in {Path.cwd()}"
    remedy = "results take some 20 MB a run: free some, or choose another folder by `--out`"
    yield Check("disk", disk >= _NEEDED_DISK or None, detail, remedy)


def _caches() -> Iterator[Check]:
    """Where things are kept from one run to the next."""
    import jax

    remedy = "set W2VFLOW_CACHE to a folder that can be written"
    yield _cache("cache of corpora", wf.corpus.cache_folder(), remedy)
    yield _compiled_loops()
    folder = jax.config.values["jax_compilation_cache_dir"]
    if folder is None and (own := compiled_code_folder()) is not None:
        yield _code_cache("cache of JAX", own / "jax", "set W2VFLOW_COMPILED to a folder of your own")
    elif folder is None:
        detail = "none: each command compiles anew; W2VFLOW_COMPILED=FOLDER keeps it"
        yield Check("cache of JAX", True, detail)
    else:
        remedy = "set JAX_COMPILATION_CACHE_DIR to a folder of your own"
        yield _code_cache("cache of JAX", Path(folder), remedy)


def _compiled_loops() -> Check:
    """Return whether numba finds a folder for compiled loops."""
    from w2vflow.support.compiled import compiled_folder

    folder = compiled_folder()
    remedy = "set NUMBA_CACHE_DIR to a folder of your own"
    if folder is None:
        detail = "none of your own that can be written: compiled anew in every process, for some seconds"
        return Check("cache of numba", None, detail, remedy)
    return _cache("cache of numba", folder, remedy)


def _code_cache(name: str, folder: Path, remedy: str) -> Check:
    """Return what `_cache` does, or that others can write to a folder with code that is run."""
    if folder.is_dir() and not is_own_folder(folder):
        return Check(name, None, f"{folder}, which others can write to: it is not used", remedy)
    return _cache(name, folder, remedy)


def _cache(name: str, folder: Path, remedy: str) -> Check:
    """Return whether a folder that will be made when it is needed can be written, and its size."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    writable = os.access(existing_folder(folder), os.W_OK)
    detail = f"{readable_bytes(size)} in {folder}" + ("" if writable else ", which cannot be written")
    return Check(name, writable or None, detail, remedy)


def _bundled() -> Iterator[Check]:
    """Statistics that come with the package; reading them checks them against their checksum."""
    for name in wf.corpus.bundled_names():
        stats = wf.load_statistics(name)
        yield Check(f"data {name}", True, f"{stats.vocab_size:,} words, SHA-256 {stats.sha256[:16]}...")


def _counting() -> Iterator[Check]:
    """A count of a small text against a double loop over its words."""
    rng = np.random.default_rng(0)
    lines = [rng.choice(list("abcdefgh"), 30).tolist() for _ in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_text("\n".join(" ".join(words) for words in lines), encoding="utf-8")
        stats = wf.count(path, vocab_size=8, window=3, workers=1)
    wanted = np.zeros((8, 8), int)
    for words in lines:
        for i, word in enumerate(words):
            for j in range(max(0, i - 3), min(len(words), i + 4)):
                if i != j:
                    place = stats.words.index(word), stats.words.index(words[j])
                    wanted[place] += 4 - abs(i - j)
    same = np.array_equal(stats.counts.toarray(), wanted)
    yield Check("counting", same, "against a double loop", _REINSTALL)


def _self_test() -> Iterator[Check]:
    """Spectrum, flow and SGD of a small problem against NumPy and the closed form."""
    import jax

    with jax.enable_x64(True):
        stats = wf.load_statistics(wf.corpus.bundled_names()[0]).most_frequent(_WORDS)
        problem = wf.Problem.from_statistics(stats)
        spectrum = wf.leading_eigenpairs(problem, _WORDS)
        yield from _guarded("spectrum", lambda: _spectrum_test(stats, spectrum))
        yield from _guarded("gradient flow", lambda: _flow_test(problem, spectrum))
        yield from _guarded("SGD", lambda: _sgd_test(problem, spectrum))


def _spectrum_test(stats: "wf.CooccurrenceStatistics", spectrum: "wf.Spectrum") -> Iterator[Check]:
    joint = stats.counts.toarray() / stats.counts.sum()
    word = joint.sum(axis=1)
    independent = np.outer(word, word)
    values = np.linalg.eigvalsh(2 * (joint - independent) / (joint + independent))[::-1]
    error = float(np.abs(spectrum.eigenvalues - values).max() / values[0])
    yield Check(
        "spectrum", bool(error < 1e-10), f"{error:.0e} lambda_1 from NumPy's (at most 1e-10)", _REINSTALL
    )


def _flow_test(problem: "wf.Problem", spectrum: "wf.Spectrum") -> Iterator[Check]:
    import jax

    W0 = wf.gaussian_init(jax.random.key(0), _WORDS, _DIM, _SCALE)
    ts = np.linspace(0, _TURNS, 9) / spectrum.eigenvalues[0]
    exact = wf.predict(problem, W0, ts, spectrum=spectrum).singular_values
    flow = wf.solve_flow(problem, W0, ts, basis="words").singular_values
    error = float(np.abs(flow - exact).max() / exact.max())
    detail = f"{error:.0e} of the largest singular value from the exact solution (at most 1e-8)"
    yield Check("gradient flow", bool(error < 1e-8), detail, _REINSTALL)


def _sgd_test(problem: "wf.Problem", spectrum: "wf.Spectrum") -> Iterator[Check]:
    import jax

    keys = jax.random.split(jax.random.key(0), 2)
    rate = 0.05 / spectrum.eigenvalues[0]
    settings: dict[str, Any] = {"dim": _DIM, "scale": _SCALE, "batch_size": 16_384, "sampler": "balanced"}
    ts = rate * np.arange(0, round(_TURNS / 0.05), 24)
    kept = wf.Recording(save_embeddings=True)
    sgd = wf.run_sgd_ensemble(problem, keys, ts, learning_rate=rate, recording=kept, **settings)
    W0 = wf.gaussian_init(keys, _WORDS, _DIM, _SCALE)
    exact = wf.predict(problem, W0, sgd.ts, spectrum=spectrum, learning_rate=rate)
    squares = sgd.singular_values[..., 0] ** 2 - exact.singular_values[..., 0] ** 2
    error = float(np.abs(squares).max() / spectrum.eigenvalues[0])
    directions = wf.spectrum.left_directions(sgd.require_embeddings()[:, -1], 1)
    overlap = min(wf.subspace_overlap(U, spectrum.eigenvectors[:, :1]) for U in directions)
    detail = (
        f"first concept {error:.1%} of lambda_1 from the closed form (at most 10%), squared cosine with "
        f"its eigenvector {overlap:.3f} (at least 0.95), two seeds"
    )
    yield Check("SGD", bool(error < 0.1 and overlap > 0.95), detail, _REINSTALL)


_LOOKS: dict[str, Callable[[], Iterator[Check]]] = {
    "packages": _versions,
    "devices": _devices,
    "precision": _precision,
    "machine": _machine,
    "caches": _caches,
    "extras": _extras,
    "bundled data": _bundled,
    "counting": _counting,
    "self-test": _self_test,
}
