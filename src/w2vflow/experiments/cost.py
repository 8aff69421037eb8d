"""Forecasts of memory, disk, operations and time, before a computation starts.

Operations follow from sizes alone; bytes and seconds from `RATES`, measured, and from the speed of this
machine's processor. `python validation/forecasts.py` holds them against what commands take.
"""

import os
from collections.abc import Callable, Iterable
from functools import cache
from math import inf, log, sqrt
from pathlib import Path
from timeit import repeat
from typing import NamedTuple

import numpy as np

from w2vflow.corpus import PACKED, expand_paths, memory_bytes, open_statistics, worker_count
from w2vflow.experiments.settings import Ablation, Experiment
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_at_least, check_dimension
from w2vflow.support.machine import available_cores, readable_bytes
from w2vflow.support.plan import Plan

# fmt: off
__all__ = [
    "RATES", "Speed", "measure_speed", "plan_ablation", "plan_count", "plan_embed", "plan_experiment",
    "plan_spectrum", "plan_vectors",
]
# fmt: on


class _Rates(NamedTuple):
    """Rates measured on two cores; tests hold each against small runs, to a factor of three.

    A number is one fetched in rows of 16 from random places on one core: `Speed` says how many a second.
    """

    process: float = 300e6  # bytes of a process that has compiled something
    run: float = 900e6  # the same of all solvers and the figures
    counter: float = 230e6  # the same of one that counts
    pair_read: float = 40  # bytes for a pair of words while it is read,
    pair_counted: float = 12  # while it is counted, in memory and in the work folder,
    pair_stored: float = 1.2  # and in the file
    token: float = 4.5  # bytes in the work folder
    word: float = 6.3  # bytes of text for a token
    unpacked: float = 4  # bytes of text for one of a packed file
    matrices: float = 6  # V x V in float64 at once, for eigenvectors
    bases: float = 4  # vectors that Lanczos holds for each of the same
    copies: float = 3.8  # of weights at all times
    vectors: float = 4  # bytes in memory for one of a file of vectors
    figures: float = 1.5e6  # bytes of them and of numbers
    arrays: float = 4e4  # bytes of a file of arrays, empty
    page: float = 1.3e5  # bytes of it without words
    placed: float = 20  # bytes for a word's place along a concept at a time
    concept: float = 60  # bytes for a concept of a seed at a time
    starting: float = 5  # seconds until a command has loaded all it needs, at 16 million turns a second,
    compiling: float = 23  # and of compiling all solvers and drawing
    read_byte: float = 20  # numbers for a byte of vectors,
    text_byte: float = 27  # of text that is counted,
    repeats: float = 10  # pairs met for one that there could be, where half of these are met
    met: float = 4  # for a pair met,
    ordered: float = 300  # and for a different one, put in order and written
    eigenbasis: float = 11  # operations for V^3
    weight: float = 9  # numbers for a weight in an evaluation of a flow,
    entry: float = 0.35  # for an entry of the matrix in the basis of words,
    weighed: float = 2.5  # where the loss is not quartic or G not constant
    singular: float = 20  # numbers for V d^2 at a time of a seed: all its singular values
    alone: float = 0.8  # numbers for an entry of a pair that SGD draws alone,
    in_block: float = 0.12  # in a block,
    overhead: float = 90  # and entries that drawing it takes as long as
    scattered: float = 0.75  # numbers for an entry of a sparse matrix in a product
    decay: float = 0.6  # lambda_k / lambda_1 = k^-decay
    steps: float = 2.6  # of the flow in a time 1 / lambda_1 at rtol = 1e-9,
    stiff_steps: float = 11.5  # and with word2vec's weights, where stability bounds them
    lanczos: float = 11  # products with M* for a vector wanted, or one of two blocks more
    fitted: float = 0.1  # numbers for an entry of a vector that a word meets in a fit of `embed`,
    logits: float = 130  # and entries that the rest of a pair takes as long as


RATES = _Rates()
# Evaluations of the velocity in a step of Dopri8; bytes of a pair in a sparse matrix, in either order.
_STAGES, _HELD = 13, 2 * (8 + 4)
# How often `embed` meets each seen pair: in two products of the start, the first turn of the words, three
# turns of contexts, two of words, and the last. A step takes two, and a quarter to find its length.
_MET = 2 + 1.25 + (3 + 2) * 2.25 + 4.25


class Speed(NamedTuple):
    """How fast this machine is at what computations here consist of."""

    products: float  # operations a second in products of large float64 matrices, on all cores
    numbers: float  # a second, on one core
    turns: float  # of a loop in Python a second; compilers are as fast as that
    cores: int  # that this process may use


class _Stage(NamedTuple):
    """Operations in products, numbers on at most so many cores, and seconds of waiting."""

    name: str
    operations: float = 0
    numbers: float = 0
    cores: float = 1
    waiting: float = 0

    def seconds(self, speed: Speed) -> float:
        fetched = self.numbers / (speed.numbers * min(speed.cores, self.cores))
        return self.operations / speed.products + fetched + self.waiting * 16e6 / speed.turns


@cache
def measure_speed() -> Speed:
    """Return the speed of this machine's processor, the best of five; measured once, in 0.2 s."""
    matrix, vectors = np.ones((600, 600)), np.ones((2000, 16), np.float32)
    places, turns = np.arange(2**16) * 7919 % len(vectors), range(40_000)

    def rate(count: int, work: Callable[[], object]) -> float:
        return count / min(repeat(work, number=1, repeat=5))

    return Speed(
        rate(2 * len(matrix) ** 3, lambda: matrix @ matrix),
        rate(places.size * vectors.shape[1], lambda: vectors[places]),
        rate(len(turns), lambda: sum(number * number for number in turns)),
        available_cores(),
    )


@checked
def plan_experiment(
    settings: Experiment, *, vocab_size: int | None = None, verified: bool = False, speed: Speed | None = None
) -> Plan:
    """Return the cost of `run_experiment` and of its files; raise `ValueError` without statistics.

    Args:
        settings: of the run.
        vocab_size: words of statistics still to be counted; the file that `settings` name is not asked.
        verified: with the cost of `verify_flow`.
        speed: of the machine; measured by default.
    """
    if vocab_size is not None:
        check_at_least("vocab_size", 1, vocab_size)
    size, shared, memory, notes = _every_run(settings, vocab_size)
    dim, seeds, times = settings.dim, settings.seeds, settings.observations + 1
    turns = _turns(size, dim, settings.scale, settings.horizon)
    scales = settings.flow_scales if verified else ()
    others = sum(_turns(size, dim, scale, settings.horizon) for scale in scales)
    steps = settings.observations * max(1, round(turns / settings.learning_rate / settings.observations))
    moved = _STAGES * RATES.steps * (seeds * turns + others) * size * dim
    stages = [
        _eigenbasis(size),
        # dB/dt = Lambda B - B (B^T B).
        _Stage("gradient flow in the eigenbasis", 4.0 * dim * moved, RATES.weight * moved),
        _sgd(f"SGD, {steps:,} steps of {settings.batch_size:,} pairs", settings, steps * settings.batch_size),
    ]
    if verified:
        name = "gradient flow in the dense basis"
        stages.append(_dense_flow(name, size, dim, RATES.steps * turns, constant=True))
    disk = RATES.figures + RATES.concept * seeds * times * (dim + 1)
    if settings.cloud_words:
        placed = min(times, 41) * min(size, settings.cloud_words) * min(dim, 16)
        disk += RATES.page + RATES.placed * placed
    return _plan(stages + shared, memory, disk, notes, speed)


@checked
def plan_ablation(settings: Ablation, *, speed: Speed | None = None) -> Plan:
    """Return the cost of `run_ablation` and of its files; arguments as of `plan_experiment`."""
    size, shared, memory, notes = _every_run(settings, None)
    dim, looks = settings.dim, settings.seeds * (settings.observations + 1)
    # Of an integrator of order 8.
    accurate = RATES.steps * (1e-9 / settings.rtol) ** (1 / 8)
    stages = []
    for weights, horizon, steps in (
        ("Uniform", settings.horizon, accurate),
        ("Mikolov", settings.mikolov_horizon, RATES.stiff_steps),
    ):
        steps *= _turns(size, min(8, dim), settings.scale, horizon)
        stages.append(_eigenbasis(size))
        for loss in ("quartic", "logistic"):
            cell = f"{loss}-{weights}"
            constant = cell == "quartic-Uniform"
            stages.append(_dense_flow(f"{cell}: flow", size, dim, steps, constant=constant))
            stages.append(_sgd(f"{cell}: SGD", settings, settings.pairs))
    disk = RATES.figures + 4 * (RATES.concept * looks * (dim + 1) + 8 * size * dim)
    return _plan(stages + shared, memory, disk, notes, speed)


@checked
def plan_spectrum(vocab_size: int, pairs: int, k: int, *, speed: Speed | None = None) -> Plan:
    """Return the cost of `k` concepts, given numbers of words and pairs; `ValueError` if `k` is not 1..V."""
    if not 1 <= k <= vocab_size:
        raise argument_error("k", f"between 1 and the vocabulary size {vocab_size}", k)
    kept, places = min(pairs, vocab_size * (vocab_size + 1) // 2), float(vocab_size) ** 2
    held, work, stage = _HELD * kept, 8 * RATES.matrices * places, _eigenbasis(vocab_size)
    if vocab_size > 500 and k < vocab_size // 10:
        sparse, wanted = vocab_size > 3000 and 2 * kept < 0.2 * places, k + (64 if vocab_size > 1000 else 16)
        entries, basis = 2.0 * kept if sparse else places, RATES.bases * wanted * vocab_size
        products, scattered = round(RATES.lanczos * wanted), RATES.scattered * entries * sparse
        name = f"about {products:,} products of a {'sparse' if sparse else 'dense'} M*"
        stage = _Stage(name, (2 * entries + 4 * basis) * products, scattered * products, inf)
        work = 8 * basis + (held if sparse else work)
    memory = RATES.process + max(RATES.pair_read * pairs, held + work)
    return _plan([stage], memory, 8 * vocab_size * k + RATES.arrays, [], speed)


@checked
def plan_embed(vocab_size: int, pairs: int, dim: int, *, speed: Speed | None = None) -> Plan:
    """Return the cost of `embed`, given numbers of words and pairs; `ValueError` if `dim` is not 1..V."""
    check_dimension(dim, vocab_size)
    met = 2.0 * _MET * min(pairs, vocab_size * (vocab_size + 1) // 2)
    numbers = RATES.fitted * (dim + RATES.logits) * met
    fits = _Stage("fits of words to contexts and back", 2 * met * dim, numbers, inf)
    # The weights of the pairs in either precision, and vectors of both sides before and after a turn.
    memory = RATES.process + max(RATES.pair_read * pairs, 4 * _HELD * pairs) + 32 * vocab_size * dim
    return _plan([fits], memory, vocab_size * (4 * dim + RATES.word), [], speed)


@checked
def plan_vectors(
    paths: Iterable[str | os.PathLike[str]],
    questions: int = 0,
    *,
    written: bool = False,
    speed: Speed | None = None,
) -> Plan:
    """Return the cost of reading files, or folders, of vectors, of questions to each, and of writing them."""
    files = [[path] if path.is_file() else [*path.rglob("*")] for path in map(Path, paths)]
    sizes = [sum(file.stat().st_size for file in each if file.is_file()) for each in files]
    # An inner product with every word, of numbers of four bytes; in text they are longer.
    stage = _Stage("vectors", 2 * questions * sum(sizes) / 4, RATES.read_byte * sum(sizes))
    notes = [f"{questions:,} questions to each file" if questions else "from the size of the file"]
    memory = RATES.process + RATES.vectors * max(sizes, default=0)
    return _plan([stage], memory, written * sum(sizes), notes, speed)


@checked
def plan_count(
    paths: Iterable[str | os.PathLike[str]],
    reader: str,
    vocab_size: int | None,
    window: int,
    workers: int | None = None,
    *,
    directions: str = "both",
    memory: str | int = "4GB",
    speed: Speed | None = None,
) -> Plan:
    """Return the cost of `count` with these arguments, files unread; for 10,000 words if None is given.

    Raises:
        ValueError: no such directions, or a memory that is not a size.
        FileNotFoundError: no such files.
    """
    if directions not in ("both", "left", "right"):
        raise argument_error("directions", "'both', 'left' or 'right'", repr(directions))
    given = list(paths)
    files = expand_paths(given) if reader != "dataset" else []
    texts = [(Path(f).stat().st_size, f.endswith(PACKED)) for f in files if Path(f).is_file()]
    text = sum(size * (RATES.unpacked if packed else 1) for size, packed in texts)
    tokens, size = text / RATES.word, vocab_size or 10_000
    met = tokens * window
    pairs = _different(met, size, directions)
    cores = worker_count(workers)
    work, file = RATES.token * tokens + RATES.pair_counted * pairs, RATES.pair_stored * pairs
    many = "1 file" if len(files) == 1 else f"{len(files)} files"
    notes = [
        f"{many}, about {readable_bytes(text)} of text, {_readable(tokens)} tokens",
        f"about {_readable(pairs)} different pairs of {size:,} words",
        f"disk: {readable_bytes(work)} for the work folder, which is removed at the end, "
        f"{readable_bytes(file)} for the statistics",
        f"operations: additions of integers; time: on {cores} cores",
    ]
    if len(texts) < len(files) or reader == "dataset":
        notes.append("how much text will come is not known: nothing of it is in these figures")
    need = min(memory_bytes(memory), RATES.pair_counted * pairs + RATES.counter)
    return _plan([_counting(text, met, pairs, cores)], need, work + file, notes, speed)


def _plan(stages: list[_Stage], memory: float, disk: float, notes: list[str], speed: Speed | None) -> Plan:
    """Return the plan of a command of these stages, one after the other."""
    speed = measure_speed() if speed is None else speed
    stages = [_Stage("start", waiting=RATES.starting), *stages]
    seconds = [stage.seconds(speed) for stage in stages]
    long = [f"{s.name}: {t:.0f} s" for s, t in zip(stages, seconds, strict=True) if 20 * t > sum(seconds)]
    pace = f"{speed.cores} cores with {speed.products / 1e9:.0f} GFLOP/s"
    own = f"time is that of the processor, {pace}; an accelerator is faster"
    done = sum(stage.operations for stage in stages)
    return Plan(round(memory), round(disk), done, sum(seconds), (*long, *notes, own))


def _every_run(
    settings: Experiment | Ablation, vocab_size: int | None
) -> tuple[int, list[_Stage], float, list[str]]:
    """Return words, stages that every run has, bytes of memory, and notes."""
    notes = ["the time axis is as long as eigenvalues that fall like those of the bundled statistics make it"]
    if vocab_size is None:
        file = open_statistics(settings.statistics)
        size, pairs = min(settings.vocab_size, len(file.words)), file.pairs
    else:
        size = min(settings.vocab_size, vocab_size)
        pairs = size * (size + 1) // 2
        notes.append(f"{pairs:,} pairs of words, all that there could be: the text is not counted yet")
    weights = float(settings.seeds * (settings.observations + 1) * size * settings.dim)
    singular, matrix = RATES.singular * weights * settings.dim, 8.0 * size**2
    stages = [
        _Stage("closed form and comparison", singular, singular),
        _Stage("compiling, figures and files", waiting=RATES.compiling),
    ]
    # While eigenvectors are found; with eigenvectors, and weights at all times.
    most = max(RATES.matrices * matrix, 2 * matrix + RATES.copies * 8 * weights)
    held = _HELD * min(pairs, size * (size + 1) // 2)
    return size, stages, RATES.run + max(RATES.pair_read * pairs, held + most), notes


def _turns(size: int, dim: int, scale: float, horizon: float) -> float:
    """Return the end of the time axis in units of 1 / lambda_1: the last concept grows from scale^2 to V."""
    return horizon * dim**RATES.decay * max(1, log(size / scale**2)) / 2


def _different(met: float, size: int, directions: str) -> float:
    """Return how many of the pairs met differ: to 15% for 2,000 to 371,247 words of Wikipedia.

    Of one direction (new, york) is another pair than (york, new): the more of all pairs are met, the more of
    them in both orders, as measured at a tenth to all of them.
    """
    places = size * (size + 1) / 2
    pairs = met * places / (met + RATES.repeats * places)
    return pairs if directions == "both" else pairs * (1 + sqrt(pairs / places))


def _counting(text: float, met: float, pairs: float, cores: int) -> _Stage:
    """Return the count of a text of so many bytes; of all pairs met, `pairs` are different."""
    numbers = RATES.text_byte * text + RATES.met * met + RATES.ordered * pairs
    return _Stage("counting", text + met, numbers, cores)


def _eigenbasis(size: int) -> _Stage:
    return _Stage("all eigenvectors, by LAPACK", RATES.eigenbasis * float(size) ** 3)


def _dense_flow(name: str, size: int, dim: int, steps: float, *, constant: bool) -> _Stage:
    """Return a flow of one seed in the basis of the words; `constant`: quartic loss at constant G."""
    places = _STAGES * steps * size**2
    if constant:
        # The matrix comes from memory each time.
        return _Stage(name, 2 * dim * places, RATES.entry * places)
    return _Stage(name, 4 * dim * places, RATES.weighed * places, inf)


def _sgd(name: str, settings: Experiment | Ablation, pairs: float) -> _Stage:
    """Return SGD of all seeds, side by side, with so many pairs for each."""
    pace = RATES.in_block if settings.sampler in ("blocks", "shared") else RATES.alone
    drawn, dim = pairs * settings.seeds, settings.dim
    # An inner product, and a step of either word.
    operations, numbers = 6.0 * dim * drawn, pace * (dim + RATES.overhead) * drawn
    return _Stage(f"{name}, {settings.seeds} seeds", operations, numbers, settings.seeds)


def _readable(number: float) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 1e5 else f"{number:,.0f}"
