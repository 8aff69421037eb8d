"""Forecasts against small runs: memory and disk that they took, what they did, seconds of single stages.

Memory, disk, steps and products are measured here. Seconds are not: those of single stages are kept in
`stages.json`, with the speed of the core that took them, by `python validation/stages.py`.
"""

import json
import lzma
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse
from systems import random_statistics

import w2vflow as wf
from w2vflow.corpus.counting import count as counting
from w2vflow.embeddings import alternating
from w2vflow.embeddings.vectors import export_vectors
from w2vflow.experiments import cost
from w2vflow.experiments.settings import Ablation, Experiment
from w2vflow.problem import DiagonalOperator
from w2vflow.problem.weightings import Mikolov, Symmetrized, Uniform
from w2vflow.spectrum import algebraic, lanczos

KEPT = json.loads((Path(__file__).parent / "stages.json").read_text())
SPEED = cost.Speed(products=1e11, numbers=1e9, turns=1.6e7, cores=2)
WIKIPEDIA, PAIRS = "enwiki15k-v3000", 4_223_234

# The memory of a process is at least that of the one that forked it: a small one must.
LAUNCHER = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


class Case(NamedTuple):
    """What was measured of a run, and how it is forecast by the rates as they are when asked."""

    what: str
    measured: float
    forecast: Callable[[], float]
    within: float = 3


def wrong(cases: list[Case]) -> list[str]:
    """Return the cases whose forecast is that many times too large or too small."""
    found = [(case, case.forecast() / case.measured) for case in cases]
    return [f"{case.what}: {ratio:.2f}" for case, ratio in found if not 1 / case.within < ratio < case.within]


class Taken(NamedTuple):
    memory: int
    disk: int


def taken(folder: Path, *command: Any) -> Taken:
    """Run a command in a process of its own, which writes into a folder; return bytes, at the most."""
    ending = {"count": ".npz", "export": ".bin", "spectrum": ".nc"}.get(command[0], "")
    arguments = [
        sys.executable,
        "-m",
        "w2vflow",
        *map(str, command),
        "--out",
        str(folder / f"out{ending}"),
    ]
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *arguments], capture_output=True, text=True, check=True
    )
    return Taken(int(done.stdout) * (1024 if sys.platform == "linux" else 1), size_of(folder))


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def scattered(words: int, each: int, path: Path) -> int:
    """Write statistics of a random sparse matrix, with a strong pair of words for Lanczos to find soon."""
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(words, size=(2, words * each // 2))
    half = sparse.coo_array((rng.integers(1, 9, rows.size), (rows, columns)), shape=(words, words)).tocsr()
    ring = sparse.eye_array(words, k=1) + sparse.eye_array(words, k=-1)
    counts = (half + half.T + ring).tocsr().astype(np.int64)
    names = tuple(f"word{i}" for i in range(words))
    wf.CooccurrenceStatistics(names, counts, np.asarray(counts.sum(axis=1))).save(path)
    return sparse.triu(counts).nnz


def hole(path: Path, size: int) -> Path:
    """Make a file of so many bytes that holds nothing."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def stage_cases(folder: Path) -> list[Case]:
    """Return the kept seconds of single stages beside their forecast."""

    def one(
        whole: cost.Speed,
        words: int = 0,
        dim: int = 0,
        steps: int = 0,
        pairs: int = 0,
        looks: int = 0,
        **other: Any,
    ) -> float:
        # Nothing is waited for in all but the first two.
        core = whole._replace(turns=inf)
        match other["stage"]:
            case "start":
                return cost.plan_spectrum(600, 0, 1, speed=whole).seconds
            case "compiling":
                small = Experiment(vocab_size=30, dim=2, seeds=1, batch_size=256, observations=10)
                return cost.plan_experiment(small, vocab_size=30, speed=whole).seconds
            case "eigenbasis":
                return cost.plan_spectrum(words, 0, words, speed=core).seconds
            case "flow in eigenbasis":
                with_it, without = (
                    Experiment(dim=dim, vocab_size=words, flow_scales=s) for s in ((0.01,), ())
                )
                both = [
                    cost.plan_experiment(e, vocab_size=words, verified=True, speed=core)
                    for e in (with_it, without)
                ]
                planned = cost.RATES.steps * cost._turns(words, dim, 0.01, with_it.horizon)
                return (both[0].seconds - both[1].seconds) * steps / planned
            case "flow in words" | "flow of another loss" as name:
                constant = name == "flow in words"
                return cost._dense_flow("", words, dim, steps, constant=constant).seconds(core)
            case "closed form":
                settings = Experiment(dim=dim, vocab_size=words, seeds=1, observations=looks - 1)
                return cost._every_run(settings, words)[1][0].seconds(core)
            case "SGD":
                settings = Experiment(dim=dim, vocab_size=max(dim, 1), seeds=1, sampler=other["sampler"])
                return cost._sgd("", settings, pairs).seconds(core)
            case "sparse products":
                entries = other["entries"]
                plan = cost.plan_spectrum(20_000, entries // 2, 1, speed=core._replace(products=inf))
                return plan.seconds * other["products"] / products_in(plan)
            case "embed":
                return cost.plan_embed(words, pairs, dim, speed=core).seconds
            case "count":
                return cost._counting(other["bytes"], other["met"], pairs, 1).seconds(core)
            case "vectors":
                return cost.plan_vectors([hole(folder / "v.txt", other["bytes"])], speed=core).seconds
        raise AssertionError(other)

    cases = [
        Case(
            f"seconds: {stage}",
            stage["seconds"],
            lambda stage=stage, speed=group["speed"]: one(cost.Speed(**speed), **stage),
        )
        for group in KEPT.values()
        for stage in group["stages"]
    ]
    # Counts differ in pairs, met and different; the text is the same.
    first, *others = [case for case in cases if "count" in case.what]
    more = [
        Case(
            f"{case.what} beyond {first.what}",
            case.measured - first.measured,
            lambda case=case: case.forecast() - first.forecast(),
        )
        for case in others
    ]
    return cases + more


def products_in(plan: cost.Plan) -> int:
    """Return how many products with M* a plan of a spectrum names."""
    [found] = [re.search(r"about ([\d,]+) products", note) for note in plan.notes if "products" in note]
    return int(found[1].replace(",", ""))


def spectrum_cases(folder: Path) -> list[Case]:
    """Return what two eigenvectors take, all of few words and of many, and reading many pairs.

    The last two are from a direct solver: compiling an iteration takes more than all of few words do.
    """
    runs = []
    for name, words, each, k in (("few", 600, 20, 2), ("all", 600, 20, 600), ("wide", 3200, 20, 320)):
        pairs = scattered(words, each, folder / f"{name}.npz")
        runs.append((folder / f"{name}.npz", words, pairs, k))
    took = [
        taken(folder / f"spectrum-{i}", "spectrum", file, "--vocab-size", words, "--k", k)
        for i, (file, words, _, k) in enumerate(runs)
    ]

    def planned(i: int) -> cost.Plan:
        return cost.plan_spectrum(*runs[i][1:], speed=SPEED)

    # Reading alone: in a process most of it lies below what compiling takes afterwards.
    tracemalloc.start()
    wf.load_statistics(WIKIPEDIA).most_frequent(600)
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [
        Case(
            "memory: all eigenvectors",
            took[2].memory - took[1].memory,
            lambda: planned(2).memory - planned(1).memory,
        ),
        Case("memory: pairs read", read, lambda: cost.RATES.pair_read * PAIRS),
        Case("memory: process", took[0].memory, lambda: planned(0).memory),
        Case("disk: eigenvectors", took[0].disk, lambda: planned(0).disk),
    ]


def run_cases(folder: Path) -> list[Case]:
    """Return what runs take: a small one, one of many times, and two with a page of few and of many words."""
    small = {"dim": 2, "seeds": 1, "observations": 10, "batch_size": 2048, "cloud_words": 0}
    settings = {
        "small": small | {"vocab_size": 30},
        "times": small | {"vocab_size": 300, "dim": 8, "seeds": 4, "observations": 1500},
        "page": small | {"vocab_size": 30, "cloud_words": 20},
        "words": small | {"vocab_size": 600, "dim": 16, "cloud_words": 600},
    }
    took = {}
    for name, options in settings.items():
        given = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", value)]
        took[name] = taken(folder / name, "demo", *given)

    def planned(name: str) -> cost.Plan:
        # Its statistics have many pairs more than it takes, which are the matter of spectra.
        return cost.plan_experiment(Experiment(**settings[name]), vocab_size=10**6, speed=SPEED)

    def more(what: str, large: str, small: str) -> Case:
        measured = getattr(took[large], what) - getattr(took[small], what)
        forecast = lambda: getattr(planned(large), what) - getattr(planned(small), what)  # noqa: E731
        return Case(f"{what}: {large} beyond {small}", measured, forecast)

    return [
        Case("memory: run", took["small"].memory, lambda: planned("small").memory),
        Case("disk: run", took["small"].disk, lambda: planned("small").disk),
        more("memory", "times", "small"),
        more("disk", "times", "small"),
        more("disk", "page", "small"),
        more("disk", "words", "page"),
    ]


def count_cases(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """Return what counting takes of the documents of this project, each a line."""
    pages = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
    text = folder / "docs.txt"
    text.write_text("".join(" ".join(page.read_text().split()) + "\n" for page in pages))
    packed = folder / "docs.txt.xz"
    packed.write_bytes(lzma.compress(text.read_bytes()))
    peaks: list[int] = []
    discard = counting._discard
    monkeypatch.setattr(counting, "_discard", lambda work: (peaks.append(size_of(work)), discard(work)))
    wf.count(text, vocab_size=10, workers=1, window=1)
    all_words = wf.count(text, vocab_size=1000, workers=1, window=16)
    tokens = all_words.metadata["corpus_tokens"]
    memory = taken(folder / "count", "count", text, "--vocab-size", 300, "--workers", 1).memory
    bundled = folder / "bundled.npz"
    wf.load_statistics(WIKIPEDIA).save(bundled)

    def planned(file: Path = text, size: int = 1000, window: int = 16) -> cost.Plan:
        return cost.plan_count([file], "auto", size, window, 1, speed=SPEED)

    done = text.stat().st_size + 16 * tokens
    pairs = sparse.triu(all_words.counts).nnz
    right = wf.count(text, vocab_size=1000, workers=1, window=16, directions="right").counts.nnz
    return [
        Case("memory: count", memory, lambda: planned(size=300).memory),
        Case("disk: tokens", peaks[0], lambda: planned(size=10, window=1).disk),
        Case("disk: pairs counted", peaks[1], lambda: planned().disk),
        Case("disk: pairs stored", bundled.stat().st_size, lambda: cost.RATES.pair_stored * PAIRS),
        Case("tokens", tokens, lambda: (planned().operations - text.stat().st_size) / 16),
        Case("operations: packed text", done, lambda: planned(packed).operations),
        # A small text repeats fewer pairs than Wikipedia.
        Case("pairs", pairs, lambda: cost._different(16 * tokens, 1000, "both"), within=2.5),
        Case("pairs, right", right, lambda: cost._different(16 * tokens, 1000, "right"), within=3),
    ]


def vector_cases(folder: Path) -> list[Case]:
    """Return what reading vectors takes of memory."""
    memory = {}
    for words in (10, 200_000):
        file = folder / f"v{words}.bin"
        vectors = np.ones((words, 50), np.float32)
        export_vectors(file, vectors, [f"w{i}" for i in range(words)], "word2vec-binary")
        memory[file] = taken(folder / f"export-{words}", "export", file).memory
    small, large = memory

    def planned(file: Path) -> int:
        return cost.plan_vectors([file], written=True, speed=SPEED).memory

    return [Case("memory: vectors", memory[large] - memory[small], lambda: planned(large) - planned(small))]


def work_cases() -> list[Case]:
    """Return how many products and steps were taken, and what Lanczos holds."""
    values = 1 / np.arange(1, 701) ** 0.6
    cases = []
    for k in (5, 60):
        found = lanczos.lanczos_eigenpairs(DiagonalOperator.of(values), k, tol=1e-10, block=8)
        cases.append(
            Case(
                f"products for {k} concepts",
                found.products,
                lambda k=k: products_in(cost.plan_spectrum(700, 1000, k, speed=SPEED._replace(turns=inf))),
            )
        )
    # By XLA's own account of the compiled iteration.
    steep = DiagonalOperator.of(0.5 ** np.arange(40_000))
    plan = lanczos.Plan(40_000, 2, 32, 166, algebraic, steep.mesh)
    limits = lanczos.Limits(jnp.array(1e-10), *(jnp.array(10**9, jnp.int32),) * 2)
    task = steep, plan, limits, lanczos.none_yet(plan)
    basis = lanczos._begun(steep, plan)
    sizes = lanczos._advanced.lower(task, basis).compile().compiled.memory_analysis()
    held = sizes.temp_size_in_bytes + basis.nbytes
    cases.append(
        Case(
            "memory: Lanczos",
            held,
            lambda: cost.plan_spectrum(steep.size, 0, 2, speed=SPEED).memory - cost.RATES.process,
        )
    )
    stats = wf.load_statistics(WIKIPEDIA).most_frequent(200)
    for name, weighting, dim in (
        ("Uniform", Uniform(), 16),
        ("Mikolov", Symmetrized(Mikolov(1e-4, 0.75, 5.0)), 4),
    ):
        problem = wf.Problem.from_statistics(stats, weighting=weighting)
        target = wf.Problem.from_target(problem.target_operator())
        basis = wf.leading_eigenpairs(target, 200)
        end = wf.step_time_law(target, dim, 1e-2, spectrum=basis)[0].max()
        W0 = wf.gaussian_init(jax.random.key(0), 200, dim, 1e-2)
        flow = wf.solve_flow(problem, W0, [0, end], basis="words")
        steps = sum(sum(np.atleast_1d(flow.metadata[n])) for n in ("accepted_steps", "rejected_steps"))
        rate = "steps" if name == "Uniform" else "stiff_steps"
        turns = lambda dim=dim: cost._turns(200, dim, 1e-2, 1.0)  # noqa: E731
        cases += [
            Case(f"time axis, {name}", end * basis.eigenvalues[0], turns),
            Case(f"steps, {name}", steps, lambda rate=rate, turns=turns: getattr(cost.RATES, rate) * turns()),
        ]
    return cases


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """All runs and stages that forecasts are held against."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        counted = count_cases(folder, patched)
    return [
        *stage_cases(folder),
        *counted,
        *vector_cases(folder),
        *spectrum_cases(folder),
        *run_cases(folder),
        *work_cases(),
    ]


@pytest.mark.slow
def test_forecasts_are_right_to_a_factor_of_three(cases):
    assert wrong(cases) == []


@pytest.mark.slow
@pytest.mark.parametrize("factor", [10, 0.1])
@pytest.mark.parametrize("name", cost.RATES._fields)
def test_no_rate_is_ten_times_off_unnoticed(name, factor, cases, monkeypatch):
    assert not wrong(cases)
    monkeypatch.setattr(cost, "RATES", cost.RATES._replace(**{name: factor * getattr(cost.RATES, name)}))
    assert wrong(cases)


def multiplied(jaxpr) -> int:
    """Operations of the matrix products in a program, those in a loop as often as it runs."""
    total = 0
    for step in jaxpr.eqns:
        if step.primitive.name == "dot_general":
            (contracted, _), _ = step.params["dimension_numbers"]
            shared = np.prod([step.invars[0].aval.shape[axis] for axis in contracted])
            total += 2 * int(shared) * int(np.prod(step.outvars[0].aval.shape))
        for value in step.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                total += step.params.get("length", 1) * multiplied(inner)
    return total


def test_pairs_that_embed_meets_are_those_of_its_turns(monkeypatch):
    size, dim, met = 60, 8, []

    def counted(work, pairs, dim, *arguments):
        if work.__name__ == "target_products":
            met.append(1)
        else:
            rows, steps = arguments[3], arguments[5]
            # Logits, if any, and in every step a gradient and its change: in the last of some pairs alone.
            met.append(rows.any() + 2 * steps - 0.75)
        return done(work, pairs, dim, *arguments)

    done = alternating._in_parts
    monkeypatch.setattr(alternating, "_in_parts", counted)
    stats = random_statistics(size)
    wf.embed(stats, dim)
    pairs = (stats.counts.nnz + size) // 2
    planned = cost.plan_embed(size, pairs, dim, speed=SPEED).operations
    assert planned == pytest.approx(2 * sum(met) * 2 * pairs * dim, rel=1e-9)


@pytest.mark.parametrize("loss", ["quartic", "logistic"])
def test_operations_of_a_flow_are_those_that_its_gradient_holds(loss):
    size, dim, steps = 256, 24, 10
    objective = wf.Problem.from_statistics(random_statistics(size), loss=loss).objective(np.float64)
    gradient = jax.make_jaxpr(lambda W: objective.gradient(W))(np.ones((size, dim)))
    done = 13 * steps * multiplied(gradient.jaxpr)
    planned = cost._dense_flow("", size, dim, steps, constant=loss == "quartic").operations
    assert 1 / 3 < planned / done < 3


def test_operations_of_sgd_are_those_of_its_pairs():
    settings = Experiment(dim=24, seeds=2)
    # d products and d sums for the inner product, as many for the step of each of two words.
    assert cost._sgd("", settings, 1000).operations == 2 * 1000 * (2 * 24 + 2 * 2 * 24)


def test_a_plan_adds_up_what_each_speed_takes():
    plans = (
        lambda speed: cost.plan_experiment(Experiment(vocab_size=300), speed=speed),
        lambda speed: cost.plan_ablation(Ablation(vocab_size=300), speed=speed),
        lambda speed: cost.plan_spectrum(30_000, 20_000_000, 8, speed=speed),
        lambda speed: cost.plan_embed(300, 1000, 8, speed=speed),
    )
    for plan in plans:
        none = cost.Speed(inf, inf, inf, 2)
        parts = [
            plan(none._replace(**{n: getattr(SPEED, n)})).seconds for n in ("products", "numbers", "turns")
        ]
        assert plan(none).seconds == 0
        assert sum(parts) == pytest.approx(plan(SPEED).seconds)
        # Operations are counted apart from how long they take.
        assert plan(none).operations == plan(SPEED).operations > 0
        assert plan(SPEED._replace(cores=1)).seconds >= plan(SPEED).seconds
        assert plan(SPEED) == plan(SPEED)
    assert cost._Stage("", operations=3e11).seconds(SPEED) == pytest.approx(3)
    assert cost._Stage("", numbers=4e9, cores=64).seconds(SPEED) == pytest.approx(2)
    assert cost._Stage("", waiting=2).seconds(SPEED) == pytest.approx(2)


def test_plan_of_an_experiment_grows_with_everything():
    base = Experiment(vocab_size=500, dim=8, seeds=2, observations=60)

    def plan(**other: Any) -> cost.Plan:
        return cost.plan_experiment(replace(base, **other), vocab_size=10**6, verified=verified, speed=SPEED)

    verified = False
    unverified = plan()
    verified = True
    assert plan().seconds > unverified.seconds
    for more in (
        {"vocab_size": 1000}, {"dim": 16}, {"seeds": 6}, {"horizon": 5.0}, {"scale": 1e-8},
        {"batch_size": 10**6}, {"learning_rate": 0.01}, {"flow_scales": (1e-3,) * 9},
    ):  # fmt: skip
        assert plan(**more).operations > plan().operations, more
        assert plan(**more).seconds > plan().seconds, more
        assert plan(**more).memory >= plan().memory, more
        assert plan(**more).disk >= plan().disk, more
    assert plan(observations=240).disk > plan().disk
    assert plan(observations=240).memory > plan().memory
    assert plan(sampler="blocks").seconds < plan(sampler="balanced").seconds
    assert plan(cloud_words=0).disk < plan().disk


def test_plan_of_an_ablation_grows_with_words_and_pairs():
    base = cost.plan_ablation(Ablation(vocab_size=500), speed=SPEED)
    larger = cost.plan_ablation(Ablation(vocab_size=1000), speed=SPEED)
    assert larger.operations > base.operations
    assert larger.seconds > base.seconds
    more = cost.plan_ablation(Ablation(vocab_size=500, pairs=800_000_000), speed=SPEED)
    # Four cells of three seeds, ten dimensions.
    assert more.operations - base.operations == pytest.approx(4 * 3 * 400_000_000 * 6 * 10)


def test_words_are_those_that_there_are():
    unknown = Experiment(statistics="nowhere.npz", vocab_size=300)
    plan = cost.plan_experiment(unknown, vocab_size=50, speed=SPEED)
    assert any("1,275 pairs" in note for note in plan.notes)
    with pytest.raises(ValueError, match="Make a file"):
        cost.plan_experiment(unknown, speed=SPEED)
    with pytest.raises(ValueError, match="Make a file"):
        cost.plan_ablation(Ablation(statistics="nowhere.npz"), speed=SPEED)
    # Of the bundled statistics, 3,000.
    one, two = (cost.plan_experiment(Experiment(vocab_size=size), speed=SPEED) for size in (3000, 5000))
    assert one == two


def test_plan_of_a_count_grows_with_the_work(tmp_path):
    path = hole(tmp_path / "large.txt", 10**9)

    def plan(**other: Any) -> cost.Plan:
        settings = {"reader": "auto", "vocab_size": 1000, "window": 5, "workers": 2, "speed": SPEED}
        return cost.plan_count([path], **(settings | other))

    base = plan()
    assert base.notes[-5].startswith("1 file, about 1.0 GB of text")
    assert plan(window=10).seconds > base.seconds
    assert plan(window=10).operations > base.operations
    waiting = plan(speed=cost.Speed(inf, inf, SPEED.turns, 2)).seconds
    assert plan(workers=1).seconds - waiting == pytest.approx(2 * (base.seconds - waiting), rel=0.01)
    for more in (plan(vocab_size=10_000), plan(vocab_size=100_000)):
        assert more.memory > base.memory
        assert more.disk > base.disk
    # Of one direction files hold whole rows.
    assert plan(directions="right").disk > base.disk
    with pytest.raises(ValueError, match="`directions` must be 'both', 'left' or 'right', but got 'up'"):
        plan(directions="up")
    # Memory is bounded.
    one, two = (plan(vocab_size=100_000, memory=size).memory for size in ("500MB", "600MB"))
    assert two - one == 10**8
    assert any("not known" in note for note in cost.plan_count(["-"], "auto", 1000, 5, 2, speed=SPEED).notes)


def test_the_speed_of_this_machine():
    speed = cost.measure_speed()
    assert 1e8 < speed.products < 1e14
    assert 1e6 < speed.numbers < 1e12
    assert 1e5 < speed.turns < 1e10
    assert cost.measure_speed() is speed
    assert cost.plan_embed(100, 1000, 10).notes[-1].startswith("time is that of the processor")


def test_bad_sizes():
    with pytest.raises(ValueError, match="`k` must be between 1 and the vocabulary size 100"):
        cost.plan_spectrum(100, 1000, 101)
    with pytest.raises(ValueError, match="`dim` must be between 1 and the vocabulary size 100"):
        cost.plan_embed(100, 1000, 0)
