"""Every public function with one argument after another replaced by a bad one.

`python tests/bad_input.py` tries all of them; `--table` prints some with the messages that they get.
"""

import argparse
import inspect
import os
import re
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import jax
import numpy as np
from public import public_names
from scipy import sparse
from systems import random_statistics

import w2vflow as wf

__all__ = ["BAD", "Answer", "answers", "functions", "table"]

SIZE, DIM = 12, 3
# Longer than any of these small calls takes, compiling included.
LIMIT_S = 20


class Answer(NamedTuple):
    """What a function does with one bad argument: `kind` is "refused", or what is wrong."""

    function: str
    argument: str
    given: str
    kind: str
    message: str


class TooLong(BaseException):
    """A call that did not end."""


def _bad() -> dict[str, Any]:
    nan, inf = float("nan"), float("inf")
    return {
        "None": None,
        "True": True,
        "'abc'": "abc",
        "''": "",
        "b'abc'": b"abc",
        "0": 0,
        "-1": -1,
        "2.5": 2.5,
        "nan": nan,
        "inf": inf,
        "-inf": -inf,
        "10**12": 10**12,
        "10**40": 10**40,
        "1e300": 1e300,
        "1j": 1j,
        "object()": object(),
        "int": int,
        "[]": [],
        "{}": {},
        "{'a': 1}": {"a": 1},
        "{'a', 'b'}": {"a", "b"},
        "[nan]": [nan],
        "[None]": [None],
        "['a', 'a']": ["a", "a"],
        "[[1, 2], [3]]": [[1, 2], [3]],
        "array(2)": np.array(2),
        "zeros(0)": np.zeros(0),
        "zeros(3)": np.zeros(3),
        "zeros((3, 3))": np.zeros((3, 3)),
        "zeros((0, 3))": np.zeros((0, 3)),
        "zeros((2, 2, 2, 2))": np.zeros((2, 2, 2, 2)),
        "nan matrix": np.full((SIZE, SIZE), nan),
        "inf weights": np.full((SIZE, DIM), inf),
        "complex weights": np.full((SIZE, DIM), 1j),
        "1e200 weights": np.full((SIZE, DIM), 1e200),
        "bool array": np.zeros((SIZE, DIM), bool),
        "text array": np.array(["a", "b"]),
        "object array": np.array([object(), None], object),
        "jax array of ints": jax.numpy.arange(3),
    }


BAD = _bad()


@cache
def _known() -> dict[str, Any]:
    """A right value for every argument, by its name."""
    stats = random_statistics(SIZE)
    problem = wf.Problem.from_statistics(stats)
    pairs = wf.leading_eigenpairs(problem, SIZE)
    key = jax.random.key(0)
    W0 = wf.gaussian_init(key, SIZE, DIM, 1e-2)
    ts = np.linspace(0, 2.0, 9)
    traj = wf.predict(problem, W0, ts, save_embeddings=True)
    comparison = wf.compare(traj, spectrum=pairs)
    cloud = wf.results.embedding_cloud([traj], pairs, stats.words, n_times=3, n_words=5, n_concepts=3)
    words = list(stats.words)
    vectors = np.random.default_rng(0).normal(size=(SIZE, DIM))
    relation = list(zip(words[:6], words[6:], strict=True))
    questions = wf.semantics.pairwise_questions({"one": relation})
    folder = Path(tempfile.mkdtemp())
    text = folder / "text.txt"
    text.write_text("one two three four five six one two three four\nfive six one two\n" * 20)
    wf.tokenize(text, folder / "tokens", tokens="latin", vocab_size=6)
    tokens = wf.TokenFile.load(folder / "tokens")
    stats.save(folder / "stats.npz")
    (folder / "pairs.txt").write_text("".join(f"{a}\t{b}\t{n}\n" for n, (a, b) in enumerate(relation)))
    lines = [f"{a} {b} {c} {d}\n" for a, b in relation for c, d in relation if a != c]
    (folder / "questions.txt").write_text(": one\n" + "".join(lines))
    wf.export_vectors(folder / "vectors.txt", vectors, words)
    token_problem = wf.Problem.from_statistics(wf.count_documents(tokens, window=2))
    new_figure = wf.plotting.new_figure
    emergence = wf.semantics.emergence_along(traj, pairs, words, questions)
    values = pairs.eigenvalues[:DIM]
    return {
        "problem": problem, "before": problem, "after": problem, "spectrum": pairs, "concepts": pairs,
        "W0": W0, "W": W0, "ts": ts, "key": key, "keys": jax.random.split(key, 2),
        "stats": stats, "one": stats, "other": stats, "traj": traj, "theory": traj, "flow": traj,
        "comparison": comparison, "cloud": cloud, "words": words, "other_words": words,
        "vectors": vectors, "embeddings": vectors, "directions": vectors, "frequencies": np.ones(SIZE),
        "questions": questions, "pairs": relation, "paths": str(text), "tokens": tokens, "corpus": tokens,
        "vocab_size": SIZE, "dim": DIM, "scale": 1e-2, "k": 2, "n": 3, "steps": 2, "sampler": "balanced",
        "batch_size": 64, "learning_rate": 1e-2, "max_steps": 4096, "U": vectors, "V": vectors, "A": vectors,
        "R": vectors, "matrix": stats.counts, "counts": stats.counts, "eigenvalues": values,
        "changed": 1.01 * values, "initial": np.full(DIM, 1e-4), "step_times": np.array([0.2, 0.3, 0.5]),
        "features": wf.label_features(pairs.leading(2), words), "emergence": emergence,
        "slices": {"a": stats, "b": stats}, "influence": np.ones((SIZE, 2)), "event_weight": 1.0,
        "visibility": np.ones(DIM), "strengths": np.ones((4, DIM)), "target_norm_squared": 10.0,
        "share": np.full(3, 0.1), "threshold": 1e-3, "factors": {words[0]: 2.0}, "path": folder / "new.txt",
        "out": folder / "out", "x": np.arange(8.0), "y": np.arange(8.0) ** 2, "times": {"a": 1.0, "b": 2.0},
        "group": ["a"], "differences": vectors, "mean": np.ones(3), "variances": np.ones(3), "n_pairs": 20,
        "dims": [1, 2, 3], "spectrum_words": words, "phases": [wf.Phase(problem, [0.1, 0.2])],
        "schedule": lambda step: 1e-4, "target": np.asarray(problem.target()), "_folder": folder,
        "token_problem": token_problem, "columns": vectors, "values": np.arange(4.0),
        "reach": 0.5, "modes": 3, "size": 8, "name": "enwiki15k-v3000", "weighting": None,
        "trajectories": [traj], "reference": vectors, "starts": W0[None], "weights": W0, "remedy": "",
        "dtype": np.float32, "tied": True, "learned": True, "groups": [slice(0, 2), slice(2, DIM)],
        "found": np.ones((3, DIM)), "operator": problem.target_operator(), "tol": 1e-6, "Z": W0,
        "described": None, "indptr": np.array([0, 1, 2]), "indices": np.array([0, 1]),
        "block": np.ones((2, 3)),
        "target_W": np.ones((SIZE, DIM)), "restrict_vocab": 5, "language": "simple", "date": "20240101",
        "figure": new_figure(1)[0], "axes": new_figure(2)[1], "entries": vectors[:, 0],
        "coordinates": vectors, "labelled": [0, 1], "by_scale": {1e-2: (traj, traj)},
        "overlaps": np.eye(3), "match": wf.spectrum.match_directions(vectors[:, :2], vectors[:, :2]),
        "persistence": np.ones((9, DIM)), "predicted": np.ones((2, DIM)),
        "measured": {"SGD": np.ones((2, DIM))},
        "draw": lambda value, ax: ax.set_title(str(value)), "stem": folder / "figure",
        "folder": folder / "run",
        "settings": wf.experiments.Experiment(), "experiment": wf.experiments.Experiment(seeds=2),
    }  # fmt: skip


def _own() -> dict[str, dict[str, Any]]:
    """Arguments that a function has otherwise than their name says."""
    known = _known()
    folder, tokens = known["_folder"], known["tokens"]
    pairs = wf.leading_eigenpairs(known["token_problem"], 3)
    of_tokens = {"problem": known["token_problem"], "spectrum": pairs}
    features = wf.label_features(known["spectrum"], known["words"], 3)
    page = wf.write_report(folder / "of-a-pair.html", known["comparison"], known["cloud"], features)
    return {
        "import_vectors": {"path": folder / "vectors.txt"},
        "load": {"path": folder / "stats.npz"},
        "evaluate_similarity": {"pairs": folder / "pairs.txt"},
        "semantics.read_pairs": {"path": folder / "questions.txt"},
        "semantics.read_questions": {"path": folder / "questions.txt"},
        "semantics.pairwise_questions": {"pairs": {"one": known["pairs"]}},
        "semantics.study_relations": {"pairs": {"one": known["pairs"]}},
        "theory.document_uncertainty": of_tokens,
        "theory.document_influence": of_tokens,
        "corpus.tokenizer": {"tokens": "latin"},
        "count": {"tokens": "latin", "window": 2, "vocab_size": 6},
        "corpus.count_to_file": {"vocab_size": 6},
        "corpus.count_slices": {"by": lambda text: "all", "vocab_size": 6},
        "corpus.find_phrases": {"tokens": "latin"},
        "tokenize": {"tokens": "latin", "vocab_size": 6},
        "corpus.pair_weights": {"weighting": "linear", "window": 4},
        "corpus.text_bytes": {"paths": [known["paths"]], "reader": "lines"},
        "corpus.document_reader": {"paths": [known["paths"]]},
        "corpus.text_tokens": {"paths": [known["paths"]]},
        "corpus.suggested": {"paths": [known["paths"]], "reader": "auto", "tokens": "auto"},
        "corpus.expand_paths": {"paths": [known["paths"]]},
        "corpus.memory_bytes": {"memory": "1GB"},
        "corpus.worker_count": {"workers": 1},
        "corpus.open_statistics": {"name": folder / "stats.npz"},
        "semantics.rank_correlation": {},
        "semantics.relative_entries": {"directions": known["vectors"], "frequencies": np.ones(SIZE)},
        "theory.solvable.interval_limit": {"reach": 0.5, "modes": 3},
        "theory.solvable.binary_attributes": {"strengths": [0.5, 0.3]},
        "theory.aligned_strengths": {"ts": known["ts"][1:]},
        "run_sgd_on_text": {"problem": known["token_problem"], "W0": known["W0"][:6]},
        "theory.fit_power_law": {"eigenvalues": 1 / np.arange(1.0, 9.0)},
        "theory.strongest_influences": {"influence": np.ones(SIZE)},
        "experiments.plan_spectrum": {"vocab_size": 100, "pairs": 1000},
        "experiments.plan_embed": {"vocab_size": 100, "pairs": 1000},
        "experiments.plan_count": {"paths": [known["paths"]], "reader": "lines", "window": 3},
        "experiments.plan_experiment": {"settings": wf.experiments.Experiment()},
        "experiments.plan_ablation": {"settings": wf.experiments.Ablation()},
        "experiments.plan_vectors": {"paths": [folder / "vectors.txt"]},
        "corpus.document_sums": {
            "table": np.ones((6, 6)), "vectors": np.ones((6, 2)), "margins": np.ones((6, 2)),
            "constants": np.ones((2, 2)), "window": 2,
        },
        "corpus.weighted_counts": {
            "chosen": np.ones(tokens.documents, int), "window": 2, "weighting": "linear", "workers": 1,
        },
        "problem.csr_matmul": {"values": np.ones(2)},
        "problem.factored_loss": {"W": np.ones((SIZE, DIM))},
        "spectrum.group_means": {"groups": np.zeros(DIM, int)},
        "counts.write_count_file": {"unigram": known["stats"].unigram, "blocks": [], "metadata": {}},
        "plotting.slide": {"values": [1.0, 2.0]},
        "plotting.shades": {"concepts": 3},
        "spectrum.rounding_advance": {"weights": known["W0"]},
        "CooccurrenceStatistics": {"unigram": known["stats"].unigram},
        "WordVectors": {"vectors": known["vectors"]},
        "theory.staircase_loss": {"target_norm_squared": np.float64(10.0)},
        "Problem.from_target": {},
        "write_report": {"path": folder / "page.html", "features": features},
        "report.write_pair": {"path": folder / "pair.html", "first": page, "second": page},
        "theory.exact_start": {"ranks": np.arange(5)},
        "report.write_text_page": {"path": folder / "text_page.html"},
        "stats.with_values": {"values": known["stats"].values},
        "stats.most_frequent": {"vocab_size": 5},
        "stats.restrict": {"words": known["words"][:5]},
        "traj.sel": {"time": 1.0},
    }  # fmt: skip


def functions() -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Yield every public function and class that checks what it is given, by name, with right arguments."""
    known, own = _known(), _own()
    chosen = dict(public_names())
    for name in ("from_statistics", "from_target"):
        chosen[f"Problem.{name}"] = getattr(wf.Problem, name)
    for name in ("loss", "gradient", "velocity"):
        chosen[f"problem.{name}"] = getattr(known["problem"], name)
    for name in ("with_values", "most_frequent", "restrict"):
        chosen[f"stats.{name}"] = getattr(known["stats"], name)
    chosen["traj.sel"], chosen["spectrum.leading"] = known["traj"].sel, known["spectrum"].leading
    for name, function in chosen.items():
        checking = function.__init__ if inspect.isclass(function) else function
        if not hasattr(getattr(checking, "__func__", checking), "__wrapped__"):
            continue
        given = {}
        for argument, parameter in inspect.signature(function).parameters.items():
            if argument in own.get(name, {}):
                given[argument] = own[name][argument]
            elif argument in known and (parameter.default is parameter.empty or argument in _ALWAYS):
                given[argument] = known[argument]
        if name not in _LEFT_OUT:
            yield name, function, given


# What holds results of others, and what takes a minute.
_LEFT_OUT = (
    "Custom", "Problem", "Spectrum", "TokenFile", "Trajectory", "Comparison", "corpus.Corpus",
    "corpus.Phrases", "counts.from_glove", "experiments.AblationRun", "experiments.Plan", "experiments.Run",
    "experiments.SavedRun", "experiments.draw_ablation", "experiments.draw_run", "experiments.run_ablation",
    "experiments.experiment_stages", "experiments.run_experiment", "experiments.verify_flow",
    "experiments.write_ablation", "experiments.write_run",
    "plotting.LearningRow", "plotting.Slider", "plotting.plot_learning", "results.Cloud",
    "semantics.AnalogyScore", "semantics.Emergence", "semantics.GroupOrder", "semantics.Moments",
    "semantics.Outlier", "semantics.Progress", "semantics.Questions", "semantics.RankCorrelation",
    "semantics.Relation", "semantics.RelationStudy", "semantics.SimilarityScore", "spectrum.Match",
    "theory.ConceptChanges", "theory.Estimate", "theory.ExactStart", "theory.Ladder", "theory.PowerLaw",
    "theory.SamplingUncertainty", "theory.SliceConcepts", "theory.solvable.SolvableCorpus",
)  # fmt: skip
# Given though there is a default: so that calls are small.
_ALWAYS = ("learning_rate", "max_steps", "sampler", "vocab_size", "dim", "batch_size")
# Arguments that may be functions, whose errors are their own.
FUNCTIONS = ("tokens", "by", "schedule", "learning_rate", "optimizer", "draw", "log")
# Answers that are no numbers, and meant.
MEANT = {
    ("theory.half_rise_times", "NaN"): "a formula: NaN where nothing is learned",
    ("theory.half_rise_times", "infinite"): "a formula: a start at 0 never rises",
    ("theory.muon_step_times", "NaN"): "a formula: NaN where nothing is learned",
    ("theory.muon_strengths", "NaN"): "a formula",
    ("theory.aligned_strengths", "NaN"): "a formula",
    ("theory.staircase_loss", "NaN"): "a formula",
    ("theory.staircase_loss", "infinite"): "a formula",
    ("theory.changed_step_times", "NaN"): "NaN where a step never comes",
    ("theory.step_visibility", "NaN"): "NaN of a step that never comes",
    ("theory.silent_alignment", "NaN"): "NaN of a concept that is never learned",
    ("sgd.expected_overlap", "NaN"): "NaN above the mean-square limit",
    ("semantics.signal_to_noise", "NaN"): "NaN of no differences at all",
    ("semantics.effective_dimension", "NaN"): "NaN of equal rows",
    ("embeddings.restrict_words", "NaN"): "as given",
    ("embeddings.restrict_words", "infinite"): "as given",
    ("problem.csr_matmul", "NaN"): "a product",
    ("problem.csr_matmul", "infinite"): "a product",
    ("problem.factored_loss", "NaN"): "a formula",
    ("problem.factored_loss", "infinite"): "a formula",
    (
        "results.singular_values",
        "NaN",
    ): "of NaN: so a compiled run tells that it diverged",
    ("results.direction_persistence", "NaN"): "NaN of a concept that is not learned",
}


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def call(function: Callable[..., Any], given: dict[str, Any]) -> tuple[str, str]:
    """Return how a call ended, and its message."""
    arguments, more = [], dict(given)
    for argument, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL and argument in more:
            arguments = [more.pop(argument)]
    try:
        with _within(LIMIT_S), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = function(*arguments, **more)
    except TooLong:
        return "too long", ""
    except (ValueError, TypeError) as error:
        text = str(error)
        named = re.match(r"(Argument )?`\w+", text) is not None and "jax" not in text.split("`")[-1]
        return ("refused" if named else f"bare {type(error).__name__}"), text
    except (OSError, RuntimeError) as error:
        own = type(error) is RuntimeError or isinstance(error, OSError)
        return ("refused" if own else f"bare {type(error).__name__}"), str(error)
    except Exception as error:
        return f"bare {type(error).__name__}", str(error)
    if caught:
        return "warned", str(caught[0].message)
    if inspect.isclass(function):
        # It holds what it is given.
        return "taken", ""
    leaves = [leaf.data if sparse.issparse(leaf) else leaf for leaf in jax.tree.leaves(result)]
    numbers = [leaf for leaf in leaves if hasattr(leaf, "dtype") and leaf.dtype.kind in "fc"]
    numbers += [np.array(leaf) for leaf in leaves if isinstance(leaf, float)]
    if any(np.isnan(np.asarray(leaf)).any() for leaf in numbers):
        return "NaN", ""
    if any(np.isinf(np.asarray(leaf)).any() for leaf in numbers):
        return "infinite", ""
    return "taken", ""


def answers(only: str = "", every: int = 1) -> Iterator[Answer]:
    """Yield the answer to bad inputs: of one function or all, to all or one in so many."""
    for name, function, given in functions():
        if only not in ("", name):
            continue
        kind, message = call(function, given)
        if (kind not in ("taken", "warned")) and (name, kind) not in MEANT:
            yield Answer(name, "", "right arguments", kind, message)
            continue
        for argument in inspect.signature(function).parameters:
            for label, value in BAD.items():
                own = label == "int" and argument in FUNCTIONS
                if own or crc32(f"{name} {argument} {label}".encode()) % every:
                    continue
                answer = Answer(name, argument, label, *call(function, {**given, argument: value}))
                if (name, answer.kind) not in MEANT:
                    yield answer


def table(rows: int = 150) -> Iterator[str]:
    """Yield a table of bad inputs of different functions and the messages that they get, in Markdown."""
    yield from ("| call | given | answer |", "|---|---|---|")
    for name, function, given in sorted(functions(), key=lambda one: crc32(one[0].encode())):
        for argument in sorted(given, key=lambda one: crc32(f"{name} {one}".encode()))[:1]:
            for label in sorted(BAD, key=lambda one: crc32(f"{name} {argument} {one}".encode())):
                kind, message = call(function, {**given, argument: BAD[label]})
                # Not what hangs on the machine: paths, addresses, memory.
                own = not re.search(r"/|0x|available", message)
                if kind == "refused" and own and len(message) < 250:
                    text = message.replace("|", "\\|").replace("\n", " ")
                    yield f"| `{name}` | `{argument}={label}` | {text} |"
                    rows -= 1
                    break
        if not rows:
            return


def main() -> None:
    """Print the table, or what is answered wrongly; the status says whether anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("function", nargs="?", default="", help="one of them; by default all")
    parser.add_argument("--every", type=int, default=1, help="of so many bad inputs one is tried")
    parser.add_argument("--table", action="store_true", help="print a table of messages instead")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    # What is written to "abc" is written there.
    os.chdir(tempfile.mkdtemp())
    if options.table:
        print("\n".join(table()))
        return
    kinds: Counter[str] = Counter()
    for answer in answers(options.function, options.every):
        kinds[answer.kind] += 1
        if answer.kind not in ("refused", "taken", "warned"):
            print(" | ".join(answer), flush=True)
    print(", ".join(f"{kind}: {count:,}" for kind, count in kinds.most_common()))
    sys.exit(bool(set(kinds) - {"refused", "taken", "warned"}))


if __name__ == "__main__":
    main()
