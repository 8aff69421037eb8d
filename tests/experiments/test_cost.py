"""Plans against counts of what is done, made by other ways than the plans', and against each other."""

import json
import re
import warnings

import jax
import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.embeddings import alternating
from w2vflow.experiments.cost import plan_ablation, plan_embed, plan_experiment, plan_spectrum
from w2vflow.experiments.settings import Ablation, Experiment
from w2vflow.spectrum import lanczos as krylov
from w2vflow.support import machine as resources
from w2vflow.support.machine import Plan, Speed, available_disk, measure_speed, readable_bytes

SPEED = Speed(products=1e11, rows=1e9, turns=1.6e7, cores=2)


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


def test_products_of_embed_are_those_that_its_programs_hold(monkeypatch):
    size, dim, done = 512, 96, []
    for name in ("_products", "_descended"):
        program = getattr(alternating, name)

        def counted(side, *arrays, program=program):
            done.append(multiplied(jax.make_jaxpr(lambda *a: program(side, *a))(*arrays).jaxpr))
            return program(side, *arrays)

        monkeypatch.setattr(alternating, name, counted)
    wf.embed(random_statistics(size), dim)
    plan = plan_embed(size, 0, dim, speed=SPEED)
    rest = 10 * 7 * size**2  # functions of all pairs
    # Those programs also multiply the factors of G, of rank one.
    assert plan.operations - rest == pytest.approx(sum(done), rel=1 / dim)
    assert plan.operations - rest < sum(done)
    assert sum(done) > 10 * rest


def test_products_of_a_spectrum_are_about_those_taken():
    values = 1 / np.arange(1, 701) ** 0.6
    for k in (5, 20, 60):
        found = krylov.lanczos_eigenpairs(lambda X: values[:, None] * X, 700, k, tol=1e-10, block=8)
        note = plan_spectrum(700, 1000, k, speed=SPEED._replace(turns=1e12)).notes[-2]
        planned = int(re.search(r"about ([\d,]+) products", note)[1].replace(",", ""))
        assert 1 / 3 < planned / found.products < 3


def test_whole_eigenbasis_costs_the_cube():
    one, two = (plan_spectrum(size, 0, size, speed=SPEED) for size in (4000, 8000))
    assert two.operations / one.operations == pytest.approx(8, rel=0.02)
    assert any("LAPACK" in note for note in one.notes)
    # The matrix, what LAPACK works in, and the basis, all float64.
    assert one.memory > 5 * 8 * 4000**2


@pytest.mark.slow
@pytest.mark.parametrize(("vocab_size", "dim", "scale"), [(200, 4, 1e-2), (200, 12, 1e-2), (300, 4, 1e-6)])
def test_steps_of_sgd_are_about_those_of_the_spectrum(wikipedia, vocab_size, dim, scale):
    problem = wf.Problem.from_statistics(wikipedia.most_frequent(vocab_size))
    basis = wf.leading_eigenpairs(problem, vocab_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of large starts
        last = wf.step_time_law(problem, dim, scale, spectrum=basis).mean.max()
    settings = Experiment(vocab_size=vocab_size, dim=dim, scale=scale)
    true = settings.horizon * last * basis.eigenvalues[0] / settings.learning_rate
    note = " ".join(plan_experiment(settings, speed=SPEED._replace(turns=1e12)).notes)
    planned = int(re.search(r"SGD, ([\d,]+) steps", note)[1].replace(",", ""))
    assert 0.6 < planned / true < 1.6


def test_plan_of_an_experiment_grows_with_everything():
    base = {"vocab_size": 500, "dim": 8, "seeds": 2, "observations": 60}

    def plan(**other) -> Plan:
        return plan_experiment(Experiment(**(base | other)), vocab_size=10**6, speed=SPEED)

    for more in (
        {"vocab_size": 1000}, {"dim": 16}, {"seeds": 6}, {"horizon": 5.0}, {"scale": 1e-8},
        {"batch_size": 10**6}, {"learning_rate": 0.01}, {"flow_scales": (1e-3,) * 9},
    ):  # fmt: skip
        assert plan(**more).operations > plan().operations, more
        assert plan(**more).seconds > plan().seconds, more
        assert plan(**more).memory >= plan().memory, more
        assert plan(**more).disk >= plan().disk, more
    # The steps of SGD are a multiple of the observations, hence not exactly as many.
    assert plan(observations=240).disk > plan().disk
    assert plan(observations=240).memory > plan().memory
    # SGD's share of the operations is proportional to seeds: what is left of two and six is that of none.
    two, four, six = (plan(seeds=seeds).operations for seeds in (2, 4, 6))
    assert six - four == pytest.approx(four - two)
    assert plan(sampler="blocks").seconds < plan(sampler="balanced").seconds
    assert plan(cloud_words=0).disk < plan().disk


def test_weights_of_all_times_are_in_the_memory():
    settings = Experiment(vocab_size=4000, dim=100, seeds=8)
    plan = plan_experiment(settings, vocab_size=4000, speed=SPEED)
    weights = 8 * 121 * 4000 * 100 * 8
    assert 2 * weights < plan.memory < 8 * weights


def test_a_vocabulary_still_to_be_counted_asks_no_file():
    settings = Experiment(statistics="nowhere.npz", vocab_size=300)
    plan = plan_experiment(settings, vocab_size=50, speed=SPEED)
    assert any("1,275 pairs" in note for note in plan.notes)
    with pytest.raises(ValueError, match="Make a file"):
        plan_experiment(settings, speed=SPEED)
    with pytest.raises(ValueError, match="Make a file"):
        plan_ablation(Ablation(statistics="nowhere.npz"), speed=SPEED)


def test_words_are_no_more_than_those_of_the_file():
    # Of the bundled statistics, 3,000.
    one, two = (plan_experiment(Experiment(vocab_size=size), speed=SPEED) for size in (3000, 5000))
    assert one == two


def test_plan_of_an_ablation():
    base = plan_ablation(Ablation(vocab_size=500), speed=SPEED)
    larger = plan_ablation(Ablation(vocab_size=1000), speed=SPEED)
    assert larger.operations > base.operations
    assert larger.seconds > base.seconds
    more = plan_ablation(Ablation(vocab_size=500, pairs=800_000_000), speed=SPEED)
    # Four cells of three seeds with twice the pairs, at 10 numbers a pair and 1.2 for ten dimensions.
    assert more.operations - base.operations == pytest.approx(4 * 3 * 400_000_000 * (10 + 1.2))


def test_seconds_follow_from_speed_alone():
    settings = Experiment(vocab_size=300)
    plan = plan_experiment(settings, speed=SPEED)
    slow = SPEED._replace(products=SPEED.products / 3, rows=SPEED.rows / 3, turns=SPEED.turns / 3)
    assert plan_experiment(settings, speed=slow).seconds == pytest.approx(3 * plan.seconds)
    assert plan == plan_experiment(settings, speed=SPEED)
    assert plan_experiment(settings, speed=SPEED._replace(cores=1)).seconds > plan.seconds


def test_the_speed_of_this_machine():
    speed = measure_speed()
    assert 1e8 < speed.products < 1e14
    assert 1e6 < speed.rows < 1e12
    assert 1e5 < speed.turns < 1e10
    assert measure_speed() is speed
    assert plan_embed(100, 1000, 10).notes[-1].startswith("time is that of the processor")


def test_bad_sizes():
    with pytest.raises(ValueError, match="`k` must be between 1 and the vocabulary size 100"):
        plan_spectrum(100, 1000, 101)
    with pytest.raises(ValueError, match="`dim` must be between 1 and the vocabulary size 100"):
        plan_embed(100, 1000, 0)


def test_a_plan_says_what_is_lacking(monkeypatch, tmp_path):
    plan = Plan(3 * 10**9, 2 * 10**7, 1.5e12, 300.0, ("most of it: waiting",))
    monkeypatch.setattr(resources, "available_memory", lambda: 10**9)
    lines = plan.lines(tmp_path / "not" / "yet")
    assert lines[0].split() == ["memory", "3.0", "GB", "at", "most"]
    assert any("5 minutes" in line for line in lines)
    assert "  most of it: waiting" in lines
    assert lines[-1] == "Not enough memory: 3.0 GB needed, 1.0 GB is free on this machine."
    monkeypatch.setattr(resources, "available_disk", lambda folder: 10**6)
    assert [line.split(":")[0] for line in plan.lacking(tmp_path)] == ["Not enough memory", "Not enough disk"]
    monkeypatch.undo()
    assert Plan(1, 1, 1.0, 1.0).lacking(tmp_path) == []


def test_a_plan_is_json():
    record = Plan(1000, 2000, 3e9, 0.5, ("one", "two")).record()
    assert json.loads(json.dumps(record)) == record
    assert record["notes"] == ["one", "two"]
    assert Plan(1000, 2000, 3e9, 0.5).lines()[2:4] == [
        "operations  3.0e09",
        "time        about 0.5 s on this machine",
    ]


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    assert available_disk(tmp_path / "a" / "b") == pytest.approx(available_disk(tmp_path), rel=0.1)
    assert readable_bytes(0) == "0 bytes"
    assert readable_bytes(3.2e12) == "3.2 TB"
