"""Commands from a text to its page, their plans, their results as JSON, settings from files, exit codes."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from commands import as_json, refused

import w2vflow as wf
from w2vflow.cli import main
from w2vflow.corpus import document_reader, text_tokens
from w2vflow.embeddings.vectors import export_vectors, import_vectors
from w2vflow.experiments.run_folder import load_run
from w2vflow.spectrum.spectrum import Spectrum

SETTINGS = {
    "dim": 2, "horizon": 1.5, "seeds": 2, "observations": 10, "batch_size": 1024, "learning_rate": 0.2,
    "cloud_words": 20,
}  # fmt: skip
OPTIONS = [part for key, value in SETTINGS.items() for part in (f"--{key.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Three topics of twelve words in wrapped paragraphs, and a heading of a word that comes nowhere else."""
    rng = np.random.default_rng(0)
    words = np.array([f"{a}{b}" for a in "abcdef" for b in "xyzuvw"])
    paragraphs = ["alone"]
    for topic in range(3):
        for _ in range(40):
            drawn = rng.choice(words[topic::3], size=40)
            paragraphs.append("\n".join(" ".join(line) for line in drawn.reshape(4, 10)))
    path = tmp_path_factory.mktemp("text") / "my-text.txt"
    path.write_text("\n\n".join(paragraphs) + "\n")
    return path


@pytest.fixture(scope="module")
def ran(text, tmp_path_factory):
    """The folder of a run of the text, and what the command printed."""
    folder = tmp_path_factory.mktemp("runs") / "my-text"
    options = [*OPTIONS, "--flow-scales", "--min-count", "1", "--figures", "--verify", "--out", folder]
    return folder, as_json("run", text, *options)


def test_from_a_text_to_its_page(ran):
    folder, record = ran
    assert record["folder"] == str(folder)
    written = {str(path) for path in folder.rglob("*") if path.is_file() and path.stem != "counts"}
    assert set(record["files"]) == written
    assert (folder / "figures" / "learning.svg").is_file()
    assert "<html" in (folder / "report.html").read_text()[:200]
    saved = load_run(folder)
    assert {key: record[key] for key in saved.summary} == saved.summary
    assert saved.config["statistics"] == str(folder / "counts.npz")
    counts = wf.load_statistics(folder / "counts.npz")
    assert saved.summary["statistics"]["sha256"] == counts.sha256
    # All words but the one that stands alone; documents are paragraphs, not lines.
    assert counts.vocab_size == 36
    assert counts.metadata["corpus_documents"] == 121
    # Of three topics two differences can be learned.
    assert saved.summary["concepts_learned"] == 2


def test_the_settings_of_a_run_rerun_it(ran, tmp_path, monkeypatch):
    folder, _ = ran
    monkeypatch.setattr(wf.plotting, "animate_learning", partial(wf.plotting.animate_learning, seconds=0.5))
    again = as_json("run", "--config", folder / "config.json", "--out", tmp_path / "again", "--film")
    (film,) = (Path(name) for name in again["files"] if name.endswith((".mp4", ".gif")))
    assert film.stat().st_size > 5_000
    for name in ("comparison.nc", "cloud.nc", "features.csv", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert again["concepts"] == load_run(folder).summary["concepts"]


@pytest.mark.parametrize("setting", [("--cloud-words", "0"), ("--dim", "1")])
def test_film_of_nothing(setting, tmp_path, capsys):
    said = refused(capsys, "demo", "--film", *setting, "--out", tmp_path / "new")
    assert "`film` must be asked for with `cloud_words` above 0 and `dim` of 2 or more" in said


def test_what_the_command_line_says_counts_more(ran, tmp_path, capsys):
    """A folder that has moved, and no page without positions: `report` says what to rerun."""
    folder, _ = ran
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "config.json").write_text(json.dumps(config | {"statistics": "gone/counts.npz"}))
    (tmp_path / "moved" / "counts.npz").write_bytes((folder / "counts.npz").read_bytes())
    options = [
        "--config",
        tmp_path / "moved" / "config.json",
        "--cloud-words",
        "0",
        "--out",
        tmp_path / "new",
    ]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "report.html").write_text("the page of an earlier run")
    main(["run", *map(str, options)])
    assert "There is no page of it, because `cloud_words` is 0." in capsys.readouterr().out
    saved = load_run(tmp_path / "new")
    assert saved.config["cloud_words"] == 0
    assert saved.cloud is None
    assert not (tmp_path / "new" / "report.html").exists()
    said = refused(capsys, "report", tmp_path / "new")
    assert "`folder` must be that of a run which kept positions of words" in said
    assert f"Rerun it: `w2vflow run --config {tmp_path}/new/config.json --cloud-words 600" in said


def test_report(ran, tmp_path, capsys):
    folder, _ = ran
    page = tmp_path / "pages" / "mine.html"
    record = as_json("report", folder, "--out", page)
    assert record == {"folder": str(folder), "page": str(page), "bytes": page.stat().st_size}
    assert page.read_bytes() == (folder / "report.html").read_bytes()
    main(["report", str(folder), "--out", str(page)])
    assert f"Open {page} (" in capsys.readouterr().out
    assert "has no config.json" in refused(capsys, "report", tmp_path)
    assert "There is no folder" in refused(capsys, "report", tmp_path / "none")
    assert "`out` must be a file name ending in .html" in refused(capsys, "report", folder, "--out", "x.pdf")
    both = tmp_path / "both.html"
    main(["report", str(folder), str(folder), "--out", str(both)])
    assert both.read_text().count("<iframe") == 2
    assert "`out` must be a file name for the page of two runs" in refused(capsys, "report", folder, folder)


@pytest.fixture
def counts(tmp_path, stats):
    stats.save(tmp_path / "counts.npz")
    return tmp_path / "counts.npz"


def test_spectrum(counts, stats, tmp_path, capsys):
    out = tmp_path / "spectrum.nc"
    options = ["--k", "4", "--words", "3", "--scale", "1e-3"]
    record = as_json("spectrum", counts, *options, "--out", out)
    problem = wf.Problem.from_statistics(stats)
    values, vectors = np.linalg.eigh(np.asarray(problem.target()))
    rows = record["concepts"]
    np.testing.assert_allclose([row["eigenvalue"] for row in rows], values[::-1][:4], rtol=1e-9)
    np.testing.assert_allclose([row["step_time"] for row in rows], wf.step_time_law(problem, 4, 1e-3).mean)
    first = np.abs(vectors[:, -1])
    assert stats.words[first.argmax()] in rows[0]["positive_words"] + rows[0]["negative_words"]
    assert rows[0]["participation"] == pytest.approx(1 / np.sum(first**4))
    assert record["files"] == [str(out)]
    assert record["sha256"] == stats.sha256
    np.testing.assert_allclose(Spectrum.load(out).eigenvalues, values[::-1][:4], rtol=1e-9)
    # An embedding of two dimensions has no room for the third concept.
    main(["spectrum", str(counts), "--k", "3", "--dim", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert "<->" in lines[-1]
    assert lines[-1].split()[2] == "-"
    assert lines[-2].split()[2] != "-"
    for options, match in ((["--k", "0"], "`k` must be at least 1"), (["--dim", "0"], "`dim` must be at")):
        assert match in refused(capsys, "spectrum", counts, *options)


def test_export_from_counts_is_the_theory_at_a_time(counts, stats, tmp_path):
    """Far beyond the last step the Gram matrix is the best of rank two: `M*` cut to two eigenpairs."""
    out = tmp_path / "late.bin"
    record = as_json("export", counts, "--time", "1e4", "--dim", "2", "--out", out)
    assert (record["words"], record["dim"], record["format"]) == (30, 2, "word2vec-binary")
    words, vectors = import_vectors(out)
    values, eigenvectors = np.linalg.eigh(np.asarray(wf.Problem.from_statistics(stats).target()))
    best = (eigenvectors[:, -2:] * values[-2:]) @ eigenvectors[:, -2:].T
    assert words == stats.words
    np.testing.assert_allclose(vectors @ vectors.T, best, atol=1e-5 * values[-1])
    as_json("export", counts, "--time", "0", "--dim", "2", "--out", out, "--scale", "1e-3")
    assert np.abs(import_vectors(out).vectors).max() < 1e-2


def test_export_of_a_run_starts_where_the_run_did(ran, tmp_path, capsys):
    folder, out = ran[0], tmp_path / "v.safetensors"
    record = as_json("export", folder, "--seed", "1", "--out", out)
    theory = load_run(folder).comparison.trajectories["theory"]
    assert (record["words"], record["dim"], record["time"]) == (36, 2, theory.ts[-1])
    words, vectors = import_vectors(out)
    assert words == wf.load_statistics(folder / "counts.npz").words
    sizes = np.linalg.svd(vectors.astype(float), compute_uv=False)
    np.testing.assert_allclose(sizes, theory.singular_values[1, -1], rtol=1e-5)
    # A folder that has moved finds its counts; at time 0 there is the start.
    moved = shutil.copytree(folder, tmp_path / "moved")
    # Else the other path in it would be damage.
    (moved / "manifest.json").unlink()
    config = json.loads((folder / "config.json").read_text()) | {"statistics": "gone/counts.npz"}
    (moved / "config.json").write_text(json.dumps(config))
    as_json("export", moved, "--time", "0", "--out", out)
    start = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), 36, 2, 1e-2)[0]
    np.testing.assert_allclose(import_vectors(out).vectors, start, rtol=1e-6)
    for options, match in (
        (["--seed", "2"], "`seed` must be one of the 2 seeds of the run, from 0, but got 2"),
        (["--time", "nan"], "`time` must be 0 or more and finite, but got nan"),
    ):
        assert match in refused(capsys, "export", moved, *options, "--out", out)
    counts = wf.load_statistics(moved / "counts.npz")
    counts.with_values(2 * counts.values).save(moved / "counts.npz")
    said = refused(capsys, "export", moved, "--time", "0", "--out", out)
    assert "`input` must be a run with the counts that it is of" in said


def test_export_from_a_trajectory_and_from_other_files(counts, stats, tmp_path, capsys):
    rng = np.random.default_rng(0)
    kept = rng.normal(size=(2, 3, 30, 4))
    traj = wf.Trajectory("sgd", np.array([0.0, 1, 2]), np.ones((2, 3, 4)), np.ones((2, 3)), kept)
    traj.save(tmp_path / "sgd.nc")
    out = tmp_path / "v.txt"
    options = ["--words", counts, "--seed", "1", "--time", "1.2", "--out", out]
    record = as_json("export", tmp_path / "sgd.nc", *options)
    assert (record["time"], record["seed"]) == (1.0, 1)
    words, vectors = import_vectors(out)
    np.testing.assert_array_equal(vectors, kept[1, 1].astype(np.float32))
    assert words == stats.words
    main(["export", str(out), "--vocab-size", "5", "--out", str(tmp_path / "v.safetensors")])
    assert import_vectors(tmp_path / "v.safetensors").words == stats.words[:5]
    wf.Trajectory("sgd", traj.ts, traj.singular_values[0], traj.loss[0]).save(tmp_path / "bare.nc")
    for arguments, match in (
        ((tmp_path / "sgd.nc",), "`words` must be given, for a trajectory that does not name its words"),
        ((tmp_path / "bare.nc",), "`input` must be a trajectory with embeddings"),
        (
            (tmp_path / "none.txt",),
            "`input` must be a file, the folder of a run, or one of the bundled statistics",
        ),
        ((counts,), "`time` must be 0 or more and finite, with counts, but got None"),
        ((counts, "--time", "nan"), "`time` must be 0 or more"),
        ((counts, "--time", "1", "--dim", "31"), "`dim` must be between 1 and the vocabulary size 30"),
        ((out, "--vocab-size", "31"), "`vocab_size` must be between 1 and the 30 words of the input"),
        ((tmp_path / "sgd.nc", "--words", counts, "--time", "nan"), "`time` must be 0 or more and finite"),
        ((tmp_path / "sgd.nc", "--words", counts, "--seed", "2"), "`seed` must be"),
    ):
        assert match in refused(capsys, "export", *arguments, "--out", tmp_path / "x.bin")
    assert "`out` must be a file name ending in" in refused(capsys, "export", out, "--out", "x.npy")


PLANS = (
    ("demo",),
    ("run", "{text}"),
    ("run", "{counts}", "--dim", "3"),
    ("run", "ablation"),
    ("count", "{text}", "--out", "new/counts.npz"),
    ("spectrum", "{counts}", "--out", "new/spectrum.nc"),
    ("embed", "{counts}", "--dim", "3", "--out", "new/v.bin"),
    ("export", "{counts}", "--time", "1", "--dim", "3", "--out", "new/v.bin"),
    ("export", "{ran}", "--out", "new/v.bin"),
    ("export", "v.bin", "--out", "new/v.txt"),
    ("evaluate", "v.bin", "--pairs", "pairs.txt"),
    ("progress", "v.bin", "--statistics", "{counts}"),
)


@pytest.mark.parametrize("command", PLANS, ids=" ".join)
def test_plans_compute_and_write_nothing(command, text, ran, counts, stats, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    export_vectors("v.bin", np.eye(30)[:, :4], stats.words, "word2vec-binary")
    Path("pairs.txt").write_text("w0\tw1\t3\n")
    before = sorted(tmp_path.rglob("*"))
    filled = [part.format(text=text, counts=counts, ran=ran[0]) for part in command]
    main([*filled, "--dry-run"])
    shown = capsys.readouterr().out
    assert all(
        re.search(rf"^{name} ", shown, re.MULTILINE) for name in ("memory", "disk", "operations", "time")
    )
    plan = as_json(*filled, "--dry-run")["plan"]
    assert plan["memory"] > 0
    assert plan["seconds"] > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_settings_of_other_commands_from_files(text, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("count.toml").write_text(f"paths = ['{text}']\nout = 'c.npz'\nvocab_size = 5\nsource = 'mine'\n")
    record = as_json("count", "--config=count.toml", "--vocab-size", "7")
    assert (record["words"], record["metadata"]["source"]) == (7, "mine")
    assert wf.load_statistics("c.npz").vocab_size == 7
    # What neither the file nor the command line says is still asked for.
    Path("half.toml").write_text("vocab_size = 5\n")
    assert "--out" in refused(capsys, "count", text, "--config", "half.toml")


def test_words_that_stand_alone_are_left_out(text, tmp_path, capsys):
    main(["count", str(text), "--out", str(tmp_path / "c.npz")])
    shown = capsys.readouterr().out
    assert "left out, because they never stand beside another word: 1 (alone)" in shown
    assert "alone" not in wf.load_statistics(tmp_path / "c.npz").words
    (tmp_path / "lonely.txt").write_text("one\ntwo\n")
    said = refused(capsys, "count", tmp_path / "lonely.txt", "--out", tmp_path / "l.npz")
    assert "`paths` must be text in which words stand beside others" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.npz", "lonely.txt"]


@pytest.mark.parametrize(
    ("content", "reader"),
    [
        ("a line\nand another\n\nnext paragraph\nof two lines\n", "paragraphs"),
        ("one document a line\nanother\n", "auto"),
        ("a\n\nb\n\nc\n\n", "auto"),
        ("x" * 200 + "\n" + "y" * 300 + "\n\nend\n", "auto"),
        ("<doc id=1>\ntitle\n\ntext\n</doc>\n", "auto"),
        ("", "auto"),
    ],
)
def test_documents_of_a_text(content, reader, tmp_path):
    (tmp_path / "a.txt").write_text(content)
    assert document_reader([str(tmp_path / "a.txt")]) == reader
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(content.encode()))
    assert document_reader([str(tmp_path)]) == reader
    (tmp_path / "c.txt").write_text("one document\nanother\n")
    assert document_reader([str(tmp_path)]) == "auto"


def test_letters_beyond_a_to_z_are_seen(tmp_path, capsys):
    """A Russian book with lines as long as a page is wide: of letters, not of bytes."""
    line = " ".join(["слово", "дело", "время", "жизнь"] * 3)
    (tmp_path / "book.txt").write_text("\n\n".join("\n".join([line] * 4) for _ in range(30)))
    assert document_reader([str(tmp_path / "book.txt")]) == "paragraphs"
    main(["count", str(tmp_path / "book.txt"), "--out", str(tmp_path / "c.npz")])
    said = capsys.readouterr().out
    assert "UTF-8, documents between blank lines, unicode words: 1,440 tokens in 30 documents" in said
    stats = wf.load_statistics(tmp_path / "c.npz")
    assert set(stats.words) == {"слово", "дело", "время", "жизнь"}
    assert stats.metadata["corpus_documents"] == 30
    assert text_tokens([str(tmp_path / "book.txt")]) == "unicode"
    (tmp_path / "plain.txt").write_text(
        "A text with a naïve word among very many others, all of them from a to z.\n" * 9
    )
    assert text_tokens([str(tmp_path / "plain.txt")]) == "latin"


def test_how_a_text_is_read_can_be_said(tmp_path, capsys):
    path, out = tmp_path / "texts", tmp_path / "c.npz"
    path.write_bytes("n;worte;rest\n1;für uns;x\n2;über uns;x\n".encode("latin-1"))
    said = refused(capsys, "count", path, "--out", out)
    assert "In cp1252 it reads" in said
    assert "`column` must be one of the columns of text" in refused(
        capsys, "count", path, "--out", out, "--encoding", "cp1252", "--reader", "csv"
    )
    settings = ["--encoding", "cp1252", "--reader", "csv", "--column", "worte"]
    main(["count", str(path), "--out", str(out), *settings])
    read = "CP1252, rows of CSV, column worte, unicode words: 4 tokens in 2 documents, 3 distinct words; uns"
    assert read in capsys.readouterr().out


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def again(text, out, *more):
    """The command of the run that is at hand, once more."""
    given = [*OPTIONS, "--window", "2", "--min-count", "1", "--flow-scales", "--cloud-words", "20"]
    return ["run", str(text), *map(str, given), "--out", str(out), *more]


@pytest.fixture(scope="module")
def mine(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "mine"
    main(again(text, folder))
    return folder


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("no")])
def test_a_run_that_fails_leaves_the_one_before(mine, text, error, monkeypatch, tmp_path):
    def fails(*arguments, **settings):
        yield from ()
        raise error

    before = contents(mine)
    monkeypatch.setattr("w2vflow.experiments.experiment_stages", fails)
    for out in (mine, tmp_path / "new"):
        with pytest.raises(SystemExit):
            main(again(text, out))
    assert contents(mine) == before
    # Counts are kept where a run was interrupted, and of bad input nothing.
    left = {path.name for path in (tmp_path / "new").rglob("*")} if (tmp_path / "new").exists() else set()
    assert left == ({"counts.npz", "counts.json"} if error is KeyboardInterrupt else set())


def test_what_is_finished_is_kept_and_the_same_run_goes_on_with_its_counts(
    text, monkeypatch, tmp_path, capsys
):
    """Interrupted after the flow: its page is there. The same command takes the folder and counts again."""
    stages, out = wf.experiments.experiment_stages, tmp_path / "mine"

    def interrupted(*arguments, **settings):
        running = stages(*arguments, **settings)
        yield next(running)
        yield next(running)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("w2vflow.experiments.experiment_stages", interrupted)
        with pytest.raises(SystemExit) as ended:
            main(again(text, out))
    assert ended.value.code == 130
    assert "report.html is there to open; to come: SGD" in capsys.readouterr().out
    assert list(load_run(out).comparison.trajectories) == ["theory", "theory-discrete", "flow"]
    assert (out / "report.html").is_file()
    counts = (out / "counts.npz").stat().st_mtime_ns
    main(again(text, out))
    shown = capsys.readouterr().out
    assert "which are of the same text" in shown
    assert (out / "counts.npz").stat().st_mtime_ns == counts
    assert list(load_run(out).comparison.trajectories)[-1] == "sgd"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("change", ["settings", "text", "counting", "foreign counts"])
def test_another_run_takes_another_folder(mine, text, change, tmp_path, capsys):
    out = Path(shutil.copytree(mine, tmp_path / "mine"))
    source, more = text, []
    if change == "settings":
        more = ["--seed", "5"]
    elif change == "text":
        source = tmp_path / "other.txt"
        source.write_text(text.read_text() * 2)
    elif change == "counting":
        more = ["--weighting", "flat"]
    else:
        for name in ("config.json", "counts.json"):
            (out / name).unlink()
    before = contents(out)
    main(again(source, out, *more))
    shown = capsys.readouterr().out
    assert f"{out} holds another run; this one goes to {out}-2" in shown
    assert contents(out) == before
    assert load_run(f"{out}-2").comparison.trajectories
    main(again(source, out, *more))
    assert f"this one goes to {out}-2" in capsys.readouterr().out
    assert not Path(f"{out}-3").exists()


def test_a_run_of_counts_takes_its_own_folder_only_while_they_are_the_same(mine, stats, tmp_path, capsys):
    counts, out = tmp_path / "c.npz", tmp_path / "out"
    stats.save(counts)
    command = ["run", str(counts), *map(str, OPTIONS), "--cloud-words", "0", "--out", str(out)]
    main(command)
    main(command)
    assert "holds another run" not in capsys.readouterr().out
    stats.with_values(2 * stats.values + 1).save(counts)
    main(command)
    assert f"{out} holds another run; this one goes to {out}-2" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["spectrum", "embed"])
def test_text_in_the_place_of_counts(command, text, tmp_path, capsys):
    options = ["--out", tmp_path / "v.bin"] if command == "embed" else []
    said = refused(capsys, command, text, *options)
    assert f"must be a file of counts, but got {text}, which is text. Count it first: `w2vflow count" in said


def test_a_command_that_was_meant(capsys):
    assert "Did you mean `w2vflow spectrum`?" in refused(capsys, "sepctrum", "counts.npz")


def test_where_questions_come_from(tmp_path, capsys):
    export_vectors(tmp_path / "v.bin", np.eye(3), ("a", "b", "c"), "word2vec-binary")
    assert "questions-words.txt, beside the source of word2vec" in refused(
        capsys, "evaluate", tmp_path / "v.bin"
    )


@pytest.mark.skipif(os.name == "nt", reason="sends an interrupt as shells of POSIX do")
def test_an_interrupt_is_heard_within_a_compiled_call():
    """One call of LAPACK takes a minute, in which Python hears of nothing."""
    code = (
        "import numpy as np\n"
        "from w2vflow.cli.interruption import stopping_at_once\n"
        "with stopping_at_once():\n"
        "    matrix = np.random.default_rng(0).normal(size=(5000, 5000))\n"
        "    print('ready', flush=True)\n"
        "    np.linalg.eigvals(matrix)\n"
        "    print('too late', flush=True)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout.readline() == b"ready\n"
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert said.endswith(b"w2vflow: interrupted\n")


def test_a_run_wants_a_source(capsys):
    assert "`source` must be a text, or counts, but got none" in refused(capsys, "run")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("run", "nothing.txt"), "There is no text file nothing.txt. `w2vflow datasets` lists names."),
        (("run", "text9"), "There is no text file text9. Did you mean text8?"),
        (("run", "none.npz"), "`name` must be one of the bundled statistics"),
        (("run", "a.npz", "b.txt"), "`source` must be text, or one file of counts"),
        (("run", "rare.txt"), "`min_count` must be at least 1 and reached by some word, but got 5. The most"),
        (("run", "text8", "--dry-run"), "`dry_run` must be of text that is at hand, but got text8"),
        (("count", "--out", "c.npz"), "`paths` must be at least one text, but got none"),
    ],
)
def test_bad_sources_leave_nothing(arguments, match, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("W2VFLOW_CACHE", str(tmp_path))
    Path("rare.txt").write_text("one two three\n")
    assert match in refused(capsys, *arguments)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["rare.txt"]
