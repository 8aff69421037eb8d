"""What a computation will take: memory, disk, operations and time, before it starts.

Operations are counted stage by stage, from sizes alone; seconds follow from them and from the measured
speed of this machine's processor. What no size tells beforehand, the eigenvalues, on which the length of
the time axis depends, is taken from the bundled statistics. Checked by `python validation/forecasts.py`.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.special import digamma

from w2vflow.corpus import open_statistics
from w2vflow.experiments.settings import Ablation, Experiment
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_dimension
from w2vflow.support.machine import Plan, Speed, measure_speed

__all__ = ["plan_ablation", "plan_embed", "plan_experiment", "plan_spectrum"]

# lambda_k / lambda_1 of the bundled statistics at the concepts in the first row (V = 1,000 to 3,000), and
# lambda_1 / V, which enters by its logarithm alone.
_DECAY = np.array([[1, 2, 4, 8, 16, 32, 64], [1, 0.73, 0.55, 0.33, 0.19, 0.12, 0.077]])
_LEADING = 0.27
# Bytes of a process that has loaded JAX and compiled something; a run with flows of several kinds; what SGD
# and numba add to that, and the pictures.
_LOADED, _RUN, _COMPILED_SGD, _PICTURES = 300e6, 560e6, 230e6, 150e6
# Bytes in memory of a pair of words (the upper triangle of the counts): while it is read, at the most, and
# afterwards; and of the pair in weights made of the counts.
_PAIR_READ, _PAIR_HELD, _PAIR_WEIGHED = 61, 24, 24
# Turns of a loop in Python in the time in which a second's worth of compiling was measured.
_TURNS = 16e6
# How much slower a number is where LAPACK factors tall thin matrices than where large ones are multiplied.
_THIN = 24
# Evaluations of the velocity in a step of Dopri8.
_STAGES = 13
# Limit of stability times lambda_1 at the end of the flow: constant G; word2vec's weights.
_STABLE = {"Uniform": 0.95, "Mikolov": 0.045}
# Numbers handled for each pair of SGD, and for each of d entries more.
_PER_PAIR = {"balanced": (72, 0.66), "corpus": (80, 0.72), "blocks": (10, 0.12), "shared": (10, 0.12)}


@dataclass(frozen=True)
class _Stage:
    """One stage of a computation.

    Attributes:
        name: of the stage.
        memory: bytes beside what is held, while it runs.
        held: bytes that stay when it is over.
        products: operations in products and factorisations of large float64 matrices.
        single: operations in products of float32 matrices, at twice the pace.
        thin: operations in factorisations of tall, thin matrices.
        numbers: numbers drawn, fetched, or run through a function.
        side_by_side: over how many cores these are shared out, if there are as many.
        compiling: seconds of compiling and importing where Python makes 16 million turns a second.
    """

    name: str
    memory: float = 0.0
    held: float = 0.0
    products: float = 0.0
    single: float = 0.0
    thin: float = 0.0
    numbers: float = 0.0
    side_by_side: int = 1
    compiling: float = 0.0

    @property
    def operations(self) -> float:
        """All of them together."""
        return self.products + self.single + self.thin + self.numbers

    def seconds(self, speed: Speed) -> float:
        """Return how long it takes."""
        return (
            (self.products + self.single / 2 + _THIN * self.thin) / speed.products
            + self.numbers / (speed.rows * min(speed.cores, self.side_by_side))
            + self.compiling * _TURNS / speed.turns
        )


@checked
def plan_experiment(
    settings: Experiment, *, vocab_size: int | None = None, speed: Speed | None = None
) -> Plan:
    """Return what `run_experiment` of these settings takes, and the files of its folder.

    Args:
        settings: of the run.
        vocab_size: how many words there will be, of statistics that are still to be counted; the
            file that `settings` name is not asked then.
        speed: of the machine; measured by default.

    Raises:
        ValueError: there are no such statistics.
    """
    size, pairs = _statistics(settings, vocab_size)
    dim, seeds, times = settings.dim, settings.seeds, settings.observations + 1
    turns = _turns(size, dim, settings.scale, settings.horizon, dim)
    between = max(1, round(turns / settings.learning_rate / settings.observations))
    steps = between * settings.observations
    others = [_flow_steps(_turns(size, dim, scale, settings.horizon, dim)) for scale in settings.flow_scales]
    kept = 8 * seeds * times * size * dim
    law = _flow_steps(turns)
    batch = f"{steps:,} steps of {settings.batch_size:,} pairs"
    stages = [
        _reading(pairs, size * (size + 1) // 2),
        _eigenbasis("eigenvectors of M*", size),
        _closed_form(size, dim, 2 * seeds * times),
        _eigenbasis_flow(f"gradient flow of {seeds} seeds", size, dim, [law] * seeds, times, seeds * times),
        _dense_flow("gradient flow in the dense basis", size, dim, law, times, 0.0),
        _eigenbasis_flow("gradient flow at other initial scales", size, dim, others, times, 0),
        _closed_form(size, dim, len(others) * times),
        _sgd(f"SGD, {batch}", settings.sampler, steps * settings.batch_size, size, dim, seeds, times),
        _Stage("comparison", memory=kept, thin=_singular(size, dim) * 6 * seeds * times),
        # Those of the closed form, of one seed, are made for it.
        _Stage(
            "positions of words",
            memory=3 * 8 * times * size * dim,
            products=2.0 * size**2 * dim * times,
            thin=2 * _singular(size, dim) * times,
            compiling=1,
        ),
        _Stage("figures and files", memory=_COMPILED_SGD + _PICTURES, compiling=12),
    ]
    cloud = 3 * 4 * 41 * min(size, settings.cloud_words) * min(dim, 16)
    # The page holds the positions once more, as text, and 5 MB of the library that draws curves.
    disk = _results(size, dim, seeds, times) + 1.7 * cloud + (6.2e6 if cloud else 1.5e6)
    # Pictures hold a point for each word, and for each time of each curve.
    disk += 700 * size + 25 * times * dim * (seeds + 2)
    return _plan(stages, disk, [_assumed(), *_of_counts(pairs, vocab_size)], speed, _RUN)


@checked
def plan_ablation(settings: Ablation, *, speed: Speed | None = None) -> Plan:
    """Return what `run_ablation` of these settings takes, and the files of its folder.

    Args:
        settings: of the study.
        speed: of the machine; measured by default.

    Raises:
        ValueError: there are no such statistics.
    """
    size, pairs = _statistics(settings, None)
    dim, seeds, times = settings.dim, settings.seeds, settings.observations + 1
    stages = [_reading(pairs, size * (size + 1) // 2)]
    for weights, horizon in (("Uniform", settings.horizon), ("Mikolov", settings.mikolov_horizon)):
        turns = _turns(size, dim, settings.scale, horizon, min(8, dim))
        stiff = turns / _STABLE[weights]
        # Where weights are not constant it is stability, and not accuracy, that bounds the steps.
        steps = max(_flow_steps(turns, settings.rtol), ceil(0.52 * stiff))
        stages += [
            _eigenbasis(f"{weights}: eigenvectors of M*", size),
            _closed_form(size, dim, 3 * seeds * times),
        ]
        for loss, entries in (("quartic", 2.0 * (weights != "Uniform")), ("logistic", 3.0)):
            descent = settings.observations * ceil(stiff / settings.learning_rate / settings.observations)
            stages += [
                _dense_flow(f"{loss}-{weights}: flow", size, dim, steps, times, entries),
                _sgd(
                    f"{loss}-{weights}: SGD, {descent:,} steps",
                    settings.sampler,
                    settings.pairs,
                    size,
                    dim,
                    seeds,
                    times,
                ),
                _Stage("comparison", thin=_singular(size, dim) * 2 * (seeds + 1)),
            ]
    stages.append(_Stage("figures and files", memory=_COMPILED_SGD + _PICTURES, compiling=4))
    disk = 4 * _results(size, dim, seeds, times) + 1.3e6
    return _plan(stages, disk, [_assumed()], speed, _RUN)


@checked
def plan_spectrum(vocab_size: int, pairs: int, k: int, *, speed: Speed | None = None) -> Plan:
    """Return what `leading_eigenpairs` takes for the `k` leading concepts, and the file of them.

    Args:
        vocab_size: V.
        pairs: different pairs of words that were seen, each once: `CountFile.pairs`.
        k: how many.
        speed: of the machine; measured by default.

    Raises:
        ValueError: `k` outside 1..V.
    """
    if not 1 <= k <= vocab_size:
        raise argument_error("k", f"between 1 and the vocabulary size {vocab_size}", k)
    kept = min(pairs, vocab_size * (vocab_size + 1) // 2)
    sparse = vocab_size > 3000 and 2 * kept < 0.2 * vocab_size**2
    stages = [_reading(pairs, kept)]
    if vocab_size <= 500 or k >= vocab_size // 10:
        stages.append(_eigenbasis("all eigenvectors, by LAPACK", vocab_size))
    else:
        block = 32 if vocab_size > 1000 else 8
        # Products with M* that it took: 120 to 1,000 for 8 concepts, 1,500 for 90, mostly block by block.
        products = 25 * block + 10 * k
        basis = min(3 * k + 5 * block, vocab_size)
        entries = 2.0 * kept if sparse else float(vocab_size) ** 2
        stages.append(
            _Stage(
                f"about {products:,} products of a {'sparse' if sparse else 'dense'} M*",
                memory=(_PAIR_WEIGHED * kept if sparse else 5 * 8 * vocab_size**2)
                + 8 * vocab_size * (basis + 6 * block + k),
                products=(2 * entries + 4 * vocab_size * basis) * products,
                # Rows fetched from all over the memory, and not a matrix product.
                numbers=0.75 * entries * products if sparse else 0.0,
                side_by_side=64,
                compiling=4,
            )
        )
    return _plan(stages, 8 * vocab_size * k + 12 * vocab_size + 1e5, [], speed)


@checked
def plan_embed(vocab_size: int, pairs: int, dim: int, *, speed: Speed | None = None) -> Plan:
    """Return what `embed` takes, and its file of vectors in float32.

    Args:
        vocab_size: V.
        pairs: different pairs of words that were seen, each once: `CountFile.pairs`.
        dim: of the vectors.
        speed: of the machine; measured by default.

    Raises:
        ValueError: `dim` outside 1..V.
    """
    check_dimension(dim, vocab_size)
    places = float(vocab_size) ** 2
    # Four sweeps are seven turns of one side: five products each, and the logistic function of all pairs.
    turns, start = 7, 4
    stages = [
        _reading(pairs, pairs),
        _Stage(
            "fits of words to contexts and back",
            memory=8 * vocab_size * (vocab_size + 512 + 6 * dim) + 2 * _PAIR_WEIGHED * pairs,
            single=(2 * 5 * turns + 2 * start) * places * dim,
            numbers=10 * turns * places,
            side_by_side=64,
            compiling=2,
        ),
    ]
    return _plan(stages, vocab_size * (4 * dim + 10), [], speed)


def _plan(
    stages: list[_Stage], disk: float, notes: list[str], speed: Speed | None, loaded: float = _LOADED
) -> Plan:
    """Return the plan of stages one after the other."""
    speed = measure_speed() if speed is None else speed
    held, most = loaded, 0.0
    for stage in stages:
        most = max(most, held + stage.memory + stage.held)
        held += stage.held
    seconds = [stage.seconds(speed) for stage in stages]
    whole = sum(seconds)
    long = [
        f"{stage.name}: {own:.0f} s" for stage, own in zip(stages, seconds, strict=True) if own > whole / 20
    ]
    own = (
        f"time is that of the processor, {speed.cores} cores with {speed.products / 1e9:.0f} GFLOP/s; an "
        "accelerator is faster"
    )
    return Plan(round(most), round(disk), sum(s.operations for s in stages), whole, (*long, *notes, own))


def _statistics(settings: Experiment | Ablation, vocab_size: int | None) -> tuple[int, int]:
    """Return how many words a run keeps, and how many pairs of words were seen, all that there could be
    where they are still to be counted.
    """
    if vocab_size is not None:
        size = min(settings.vocab_size, vocab_size)
        return size, size * (size + 1) // 2
    file = open_statistics(settings.statistics)
    return min(settings.vocab_size, len(file.words)), file.pairs


def _reading(pairs: int, kept: int) -> _Stage:
    """Return the reading of a file of counts, of whose pairs so many are kept."""
    held = _PAIR_HELD * min(kept, pairs)
    return _Stage(
        "statistics", memory=_PAIR_READ * pairs - held, held=held, numbers=250.0 * pairs, compiling=2
    )


def _turns(size: int, dim: int, scale: float, horizon: float, last: int) -> float:
    """Return the end of the time axis in units of 1 / lambda_1, by the law of step times."""
    k = np.arange(1, dim + 1)
    beyond = (k / _DECAY[0, -1]).clip(1) ** -0.65
    decay = np.exp(np.interp(np.log(k), *np.log(_DECAY))) * beyond
    log_odds = np.log(_LEADING * size * decay * dim / (2 * scale**2)) - digamma((dim - k + 1) / 2) - np.log(2)
    return horizon * float((np.maximum(log_odds, 1) / (2 * decay))[:last].max())


def _flow_steps(turns: float, rtol: float = 1e-9) -> int:
    """Return about how many steps Dopri8 takes, of order 8; within a third of what it took (20 runs)."""
    return ceil((25 + 2 * turns) * (1e-9 / rtol) ** (1 / 8))


def _singular(size: int, dim: int) -> float:
    """Return the operations of the singular values and vectors of one embedding."""
    return 7.0 * size * dim**2


def _eigenbasis(name: str, size: int) -> _Stage:
    square = 8.0 * size**2
    # LAPACK's divide and conquer takes as long as 9 V^3 in products; residuals are one product more.
    return _Stage(
        name,
        memory=5 * square,
        held=2 * square,
        products=11.0 * size**3,
        numbers=20.0 * size**2,
        compiling=0.5,
    )


def _closed_form(size: int, dim: int, observations: int) -> _Stage:
    return _Stage("closed form", thin=2 * _singular(size, dim) * observations, compiling=0.8)


def _eigenbasis_flow(name: str, size: int, dim: int, steps: list[int], times: int, kept_times: int) -> _Stage:
    """Return the flow `dB/dt = Lambda B - B (B^T B)` of one seed after the other; some keep their weights."""
    evaluations, entries = _STAGES * sum(steps), float(size * dim)
    kept = 8 * entries * kept_times
    return _Stage(
        name,
        # Weights at all times: in the integrator, of all seeds, on the host, turned to words.
        memory=3.4 * kept,
        held=kept,
        products=4 * entries * dim * evaluations + 2 * size * entries * kept_times,
        thin=_singular(size, dim) * len(steps) * times,
        # Each stage of the integrator is a sum of those before it.
        numbers=9 * entries * evaluations,
        compiling=1.8,
    )


def _dense_flow(name: str, size: int, dim: int, steps: int, times: int, entries: float) -> _Stage:
    """Return a flow of one seed in the basis of the words.

    `entries`: numbers for each pair of words at each evaluation, beside the products.
    """
    evaluations, places = float(_STAGES * steps + times), float(size) ** 2
    products = 2 if entries == 0 else 4
    return _Stage(
        name,
        memory=8 * (2 * times * size * dim + 2 * places),
        products=products * places * dim * evaluations,
        # The matrix comes from memory each time.
        numbers=(0.35 + entries) * places * evaluations,
        side_by_side=1 if entries == 0 else 64,
        compiling=2.5,
    )


def _sgd(name: str, sampler: str, pairs: float, size: int, dim: int, seeds: int, times: int) -> _Stage:
    """Return SGD of all seeds with so many pairs for each, its loss over all pairs observed in float32."""
    fixed, by_entry = _PER_PAIR[sampler]
    kept = 4.0 * seeds * times * size * dim
    return _Stage(
        f"{name}, {seeds} seeds",
        memory=12 * float(size) ** 2 + 2 * kept,
        held=kept,
        single=2.0 * size**2 * dim * seeds * times,
        thin=_singular(size, dim) * seeds * times,
        numbers=(fixed + by_entry * dim) * pairs * seeds,
        side_by_side=seeds,
        compiling=2.5,
    )


def _results(size: int, dim: int, seeds: int, times: int) -> float:
    """Return the bytes of a comparison of four sources, with its concepts."""
    return 8.0 * 4 * seeds * times * (dim + 1) + 8.0 * size * dim + 45e3


def _assumed() -> str:
    return "the time axis is as long as eigenvalues that fall like those of the bundled statistics make it"


def _of_counts(pairs: int, vocab_size: int | None) -> list[str]:
    if vocab_size is None:
        return []
    return [f"{pairs:,} pairs of words, all that there could be: the text is not counted yet"]
