"""The command line: what starts without waiting, help of every command, evaluation and embeddings."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import w2vflow as wf
from w2vflow.cli import COMMANDS, main
from w2vflow.embeddings.vectors import export_vectors, import_vectors
from w2vflow.semantics.analogies import evaluate_analogies
from w2vflow.semantics.similarity import evaluate_similarity

NAMES = [(*name.split(),) for name in (*COMMANDS, "run experiment", "run ablation")]


def unboxed(text):
    """The words of a message that stands in a frame, on one line."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


@pytest.mark.parametrize("command", NAMES, ids=" ".join)
def test_help_teaches_by_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    # `run` is short for `run experiment`.
    named = "run" if command == ("run", "experiment") else " ".join(command)
    assert shown.startswith(f"usage: w2vflow {named} ")
    assert re.search(r"^ *w2vflow [a-z]+ ?", shown.partition("\n")[2], re.MULTILINE)
    # Every option says what it is for, not only what it is where not given.
    assert not re.search(r"--[a-z-]+( \S+)? +(│\s+│ +)?\((default|required)", shown)


def test_help_of_all_names_every_command_on_a_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert re.findall(r"• (\w+) ", shown) == list(COMMANDS)
    assert shown.index("w2vflow run my-text.txt") < shown.index("• demo")


def test_version(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"w2vflow {wf.__version__}\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from w2vflow.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'jax', 'matplotlib', 'numba', 'xarray'} & set(sys.modules); assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["-m", "w2vflow"], ["-c", "from w2vflow.cli import main; main()"]])
def test_entry_points(arguments):
    done = subprocess.run(
        [sys.executable, *arguments, "datasets"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "enwiki15k-v3000" in done.stdout


WORDS = ("man", "woman", "king", "queen", "uncle", "aunt", "car", "road")
QUESTIONS = """\
: family
man woman king queen
uncle aunt man woman
: plural
car cars road roads
"""


@pytest.fixture
def place(tmp_path):
    """Two files of vectors, of which the first answers every question, with questions and ratings."""
    gender, royal, kin, thing = np.eye(4)
    vectors = np.array(
        [-gender, gender, -gender + royal, gender + royal, -gender + kin, gender + kin, thing, 2 * thing]
    )
    vectors += 0.01 * np.random.default_rng(0).normal(size=vectors.shape)
    export_vectors(tmp_path / "good.bin", vectors, WORDS, "word2vec-binary")
    export_vectors(tmp_path / "bad.txt", np.random.default_rng(3).normal(size=(6, 3)), WORDS[:6])
    (tmp_path / "questions.txt").write_text(QUESTIONS)
    (tmp_path / "pairs.txt").write_text("car\troad\t9\nking\tqueen\t6\nman\twoman\t2\nman\tzebra\t1\n")
    return tmp_path


def row(text, name, after=""):
    """The cells of the first row of a table that starts with a name."""
    lines = iter(text.splitlines())
    if after:
        next(line for line in lines if line.startswith(after))
    return next(line.split()[1:] for line in lines if line.startswith(name))


def test_evaluate_sets_files_side_by_side(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    files = ["good.bin", "bad.txt"]
    asked = ["--questions", "questions.txt", "--pairs", "pairs.txt"]
    main(["evaluate", *files, *asked])
    shown = capsys.readouterr().out
    # words, dim, correct, total, unknown, accuracy, of all
    assert row(shown, "good.bin") == ["8", "4", "2", "2", "1", "100.0%", "66.7%"]
    words, vectors = import_vectors("bad.txt")
    bad = evaluate_analogies(vectors, words, "questions.txt")
    assert row(shown, "bad.txt")[:5] == ["6", "3", str(bad.correct), "2", "1"]
    assert row(shown, "good.bin", after="pairs.txt") == ["8", "4", "3", "1", "1.000"]
    rated = evaluate_similarity(vectors, words, "pairs.txt")
    assert row(shown, "bad.txt", after="pairs.txt") == ["6", "3", "2", "2", f"{rated.spearman:.3f}"]
    assert "family" not in shown
    main(["evaluate", *files, *asked, "--json"])
    record = json.loads(capsys.readouterr().out)
    good = record["results"][0]
    assert (record["method"], good["vectors"], good["words"], good["dim"]) == ("3CosAdd", "good.bin", 8, 4)
    asked = good["analogies"]["questions.txt"]
    assert (asked["correct"], asked["total"], asked["out_of_vocabulary"]) == (2, 2, 1)
    assert asked["accuracy"] == 1
    assert asked["accuracy_of_all"] == pytest.approx(2 / 3)
    assert asked["by_category"]["plural"]["total"] == 0
    assert asked["by_category"]["plural"]["accuracy"] is None
    assert good["similarity"]["pairs.txt"] == {
        "spearman": pytest.approx(1),
        "pearson": pytest.approx(
            evaluate_similarity(*reversed(import_vectors("good.bin")), "pairs.txt").pearson
        ),
        "total": 3,
        "out_of_vocabulary": 1,
        "rated_by": "column 3",
    }


def test_evaluate_by_category_by_products_and_with_fewer_words(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    options = ["--method", "3CosMul", "--restrict-vocab", "4", "--by-category"]
    main(["evaluate", "good.bin", "--questions", "questions.txt", *options])
    shown = capsys.readouterr().out
    assert "analogies, 3CosMul" in shown
    assert row(shown, "good.bin") == ["4", "4", "1", "1", "2", "100.0%", "33.3%"]
    assert row(shown, "family") == ["1", "1", "100.0%", "50.0%", "1"]
    assert row(shown, "plural") == ["0", "0", "-", "0.0%", "1"]


def test_evaluate_reads_no_more_words_than_asked_for(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    text = (place / "bad.txt").read_text()
    (place / "cut.txt").write_text(text + "cut 1")
    (place / "twice.txt").write_text(text.replace("6 3", "7 3") + "man 1 2 3\n")
    asked = ["--questions", "questions.txt", "--pairs", "pairs.txt", "--restrict-vocab", "6"]
    main(["evaluate", "bad.txt", "cut.txt", *asked])
    shown = capsys.readouterr().out
    assert row(shown, "cut.txt") == row(shown, "bad.txt")
    assert "pairs.txt: similarity, ratings of column 3" in shown
    main(["evaluate", "twice.txt", *asked[:4], "--keep", "first"])
    assert row(capsys.readouterr().out, "twice.txt") == row(shown, "bad.txt")
    main(["export", "twice.txt", "--keep", "first", "--out", "once.bin", "--vocab-size", "3"])
    assert import_vectors("once.bin").words == tuple(WORDS[:3])
    for options in ([], ["--restrict-vocab", "0"]):
        with pytest.raises(SystemExit):
            main(["evaluate", "twice.txt", *asked[:2], *options])
    assert "`restrict_vocab` must be between 1 and" in capsys.readouterr().err


def test_evaluate_folders_of_questions(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    (place / "bats").mkdir()
    (place / "bats" / "E [male - female].txt").write_text("man\twoman\nking\tqueen\nuncle\taunt/auntie\n")
    main(["evaluate", "good.bin", "--questions", "bats", "questions.txt"])
    shown = capsys.readouterr().out
    assert row(shown, "good.bin", after="bats")[2:] == ["6", "6", "0", "100.0%", "100.0%"]
    assert row(shown, "good.bin", after="questions.txt")[2:] == ["2", "2", "1", "100.0%", "66.7%"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((), "`vectors` must be at least one file of vectors, but got none"),
        (("good.bin",), "`questions` must be given, or `--pairs`"),
        (("none.bin", "--pairs", "pairs.txt"), "`vectors` must be files that exist, but got none.bin"),
        (("good.bin", "--questions", "none.txt"), "`questions` must be files that exist"),
        (("good.bin", "--pairs", "none.txt"), "`pairs` must be files that exist"),
        (("good.bin", "good.bin", "--pairs", "pairs.txt"), "`vectors` must be different files"),
        (("good.bin", "--questions", "pairs.txt"), "line 1"),
        (("questions.txt", "--pairs", "pairs.txt"), "questions.txt"),
        (("good.bin", "--pairs", "pairs.txt", "--restrict-vocab", "9"), "`restrict_vocab` must be between 1"),
        (("good.bin", "--pairs", "foreign.txt"), "good.bin: .*a pair of which both words are"),
        (("good.bin", "--questions", "questions.txt", "--method", "sum"), "invalid choice"),
    ],
)
def test_bad_input_of_evaluate(place, monkeypatch, capsys, arguments, match):
    monkeypatch.chdir(place)
    (place / "foreign.txt").write_text("chat\tchien\t5\n")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *arguments])
    assert ended.value.code == 2
    assert re.search(match, unboxed(capsys.readouterr().err))


@pytest.fixture
def counts(tmp_path, stats):
    stats.save(tmp_path / "counts.npz")
    return tmp_path / "counts.npz"


@pytest.fixture
def factors(monkeypatch):
    """Embeddings that tell which counts and which dimension were asked for."""
    monkeypatch.setattr(
        "w2vflow.embed",
        lambda stats, dim=200: (stats.counts.toarray()[:, :dim] + 0.5).astype(np.float32),
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("v.bin", ()),
        ("v.txt", ()),
        ("v.vec.gz", ()),
        ("v.safetensors", ()),
        ("v", ("--format", "tensorboard")),
        ("v.w2v", ("--format", "word2vec-binary")),
    ],
)
def test_embed_writes_what_was_computed(counts, stats, factors, capsys, tmp_path, name, options):
    out = tmp_path / "new" / name
    main(["embed", str(counts), "--out", str(out), "--dim", "3", "--vocab-size", "20", *options])
    shown = capsys.readouterr().out
    assert "20 words in 3 dimensions" in shown
    assert str(out) in shown
    words, vectors = import_vectors(out)
    assert words == stats.words[:20]
    np.testing.assert_array_equal(vectors, stats.counts.toarray()[:20, :3] + 0.5)


def test_embed_knows_the_names_of_datasets(factors, tmp_path, capsys):
    options = ["--dim", "2", "--vocab-size", "30"]
    main(["embed", "enwiki15k-v3000", "--out", str(tmp_path / "v.bin"), *options])
    assert import_vectors(tmp_path / "v.bin").words[:2] == ("the", "of")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("{counts}", "--out", "v.npy"), "`out` must be a file name ending in one of .txt, .vec, .bin"),
        (("{counts}", "--out", "v.safetensors.gz"), "`out` must be a file name ending in"),
        (("{counts}", "--out", "v.bin", "--dim", "0"), "`dim` must be between 1 and the vocabulary size 30"),
        (("{counts}", "--out", "v.bin", "--dim", "31"), "`dim` must be between 1 and the vocabulary size 30"),
        (("{counts}", "--out", "v.bin", "--vocab-size", "31"), "`vocab_size` must be between 1 and the 30"),
        (("{counts}", "--out", "{counts}/v.bin"), "`out` must be a folder that can be written"),
        (("{counts}", "--out", "v.bin", "--format", "pickle"), "invalid choice"),
        (("none.npz", "--out", "v.bin"), "`name` must be one of the bundled statistics"),
    ],
)
def test_bad_input_of_embed(counts, factors, monkeypatch, capsys, tmp_path, arguments, match):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["embed", *(argument.format(counts=counts) for argument in arguments)])
    assert ended.value.code == 2
    assert re.search(match, unboxed(capsys.readouterr().err))
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [counts]


@pytest.fixture
def models(tmp_path, stats):
    """Embeddings of 4 dimensions on their way, turned and scaled: one concept learned, and all."""
    spec = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 4)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    for name, shares in (("early.bin", (1, 1e-3, 1e-4, 1e-5)), ("late.txt", (1, 1, 1, 1))):
        vectors = 3 * (spec.eigenvectors * np.sqrt(np.multiply(spec.eigenvalues, shares))) @ turn
        kind = "word2vec-binary" if name.endswith("bin") else "word2vec-text"
        export_vectors(tmp_path / name, vectors, stats.words, kind)
    return spec.eigenvalues


@pytest.mark.filterwarnings("ignore:The embedding is past the last step")
def test_progress_of_two_models(models, counts, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = ["--statistics", str(counts), "--figure", "curve"]
    main(["progress", "early.bin", "late.txt", *options])
    shown = capsys.readouterr().out
    early, late = row(shown, "early.bin"), row(shown, "late.txt")
    # words in common, similarity, at most, time
    assert early[0] == late[0] == "30"
    assert float(early[1]) > 0.9
    assert float(late[1]) > 0.99
    assert float(early[3]) < float(late[3])
    assert int(early[-3]) < 4
    assert late[-3:] == ["4", "of", "4"]
    # step time, shares of the strength in both files
    assert float(row(shown, "      4")[1]) < 0.01
    assert float(row(shown, "      1")[2]) == float(row(shown, "      4")[2]) == pytest.approx(1, abs=0.05)
    assert (tmp_path / "curve.png").stat().st_size > 10_000
    assert (tmp_path / "curve.svg").is_file()


@pytest.mark.filterwarnings("ignore:The embedding is past the last step")
def test_progress_of_untied_weights_without_concepts(models, counts, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = ["--untied", "--concepts", "0", "--vocab-size", "25"]
    main(["progress", "late.txt", "--statistics", str(counts), *options])
    shown = capsys.readouterr().out
    assert row(shown, "late.txt")[0] == "25"
    assert "<->" not in shown


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((), "`vectors` must be at least one file of vectors"),
        (("none.bin",), "`vectors` must be files that exist, but got none.bin"),
        (("late.txt", "--concepts", "-1"), "`concepts` must be 0 or more"),
        (("late.txt", "--vocab-size", "31"), "`vocab_size` must be between 1 and the 30 words"),
        (("late.txt", "--figure", "late.txt/x"), "`figure` must be a folder that can be written"),
        (("foreign.txt",), r"foreign.txt: Argument `\w+` must be"),
        (("counts.npz",), "`path`"),
    ],
)
def test_bad_input_of_progress(models, counts, monkeypatch, capsys, tmp_path, arguments, match):
    monkeypatch.chdir(tmp_path)
    export_vectors(tmp_path / "foreign.txt", np.eye(3)[:, :2] + 1, ("un", "deux", "trois"))
    with pytest.raises(SystemExit) as ended:
        main(["progress", *arguments, "--statistics", str(counts)])
    assert ended.value.code == 2
    assert re.search(match, unboxed(capsys.readouterr().err))
