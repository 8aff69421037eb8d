"""Every script has been run here, as README and docs name it, at a small size."""

import lzma
import re
import runpy
import shlex
import shutil
import sys

import numpy as np
import pytest
from test_documented_commands import PAGES, ROOT, command_of, commands, mentioned
from texts import themed_text

import w2vflow as wf

# What the words in capitals stand for here.
PLACES = {
    "STATISTICS": "counts.npz",
    "TEXT": "my-text.txt",
    "QUESTIONS": "questions.txt",
    "PAIRS": "pairs.txt",
    "VECTORS": "vectors.txt",
    "PAGE": "report.html",
    "LANGUAGES": "languages",
    "FOLDER": "programs",
    "SOURCE": str(ROOT / "src"),
}
# By script: in place of words and times by the thousand.
SMALLER = {
    "benchmarks/accelerator.py": "--vocab-size 60 --dim 3 --steps 5 --batch-size 64 --repeat 1 "
    "--functions predict_step_times subspace_overlap",
    "benchmarks/baseline.py": "--vocab-size 40 --turns 1 --only 'step times'",
    "benchmarks/all_words.py": "--pairs 5 --dim 3 --times 5 --vectors 5 --rated pairs.txt",
    "benchmarks/counting.py": "--vocab-size 40 --window 4 --min-document-words 5 --turns 1",
    "benchmarks/embed.py": "--page page.md --keep kept --relations relations --shares 2/3 1 --vocab-sizes 30 "
    "--dim 5 --windows 4 5 --sweeps 1 2 --min-document-words 5 --epochs 1",
    "benchmarks/embeddings.py": "--page page.md --keep kept --vocab-size 40 --dim 5 "
    "--min-document-words 5 --sgd-steps 20 --sgd-batch 4096",
    "benchmarks/exact_trajectory.py": "--dim 3 --pairs 8 --times 5",
    "benchmarks/first_hour.py": "--first-page my-text.txt",
    "benchmarks/flow_bases.py": "--vocab-size 40 --dim 3 --times 5",
    "benchmarks/functions.py": "--vocab-size 40 --dim 3 --scales 3 --seeds 2",
    "benchmarks/gensim_evaluators.py": "",
    "benchmarks/gensim_sgns.py": "--vocab-size 40 --min-document-words 5 --dim 5 --epochs 2",
    "benchmarks/gradients.py": "--dim 3 --block-pairs 256",
    "benchmarks/imports.py": "--times 1",
    "benchmarks/loading.py": "--megabytes 0.1 --turns 1",
    "benchmarks/long_runs.py": "--vocab-size 40 --dim 3 --batch-size 64 --steps 200",
    "benchmarks/operators.py": "",
    "benchmarks/page.py": "--vocab-size 60 --dim 3 --moves 2",
    "benchmarks/scaling.py": "--sizes 20 --dims 2 3 --seeds 1 2 --dim 3 --times 5",
    "benchmarks/sgd_step.py": "--vocab-size 40 --dim 3 --batch-size 64 --steps 2",
    "benchmarks/spectrum.py": "--pairs 5",
    "benchmarks/text_page.py": "my-text.txt",
    "benchmarks/word2vec.py": "--dim 5 --positives 16",
    "docs/tools/command_line.py": "command-line.md",
    "validation/languages.py": "",
    "validation/predictions.py": "--small uncertainty relations",
    "validation/published_word2vec.py": "--vocab-size 40",
    "validation/report_screenshots.py": "--out .",
}
# What GloVe's programs write, counted by hand.
VOCAB_COUNT = """
import collections, sys
times = collections.Counter(sys.stdin.read().split())
for word, n in sorted(times.items(), key=lambda item: (-item[1], item[0]))[:int(sys.argv[-1])]:
    print(word, n)
"""
COOCCUR = """
import collections, struct, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
rows = {line.split()[0]: number for number, line in enumerate(open(given["-vocab-file"]), 1)}
counts = collections.Counter()
for line in sys.stdin:
    known = [rows[word] for word in line.split() if word in rows]
    for at, one in enumerate(known):
        for distance, other in enumerate(known[at + 1 : at + 1 + int(given["-window-size"])], 1):
            counts[one, other] += 1 / distance
            counts[other, one] += 1 / distance
for (one, other), value in sorted(counts.items()):
    sys.stdout.buffer.write(struct.pack("<iid", one, other, value))
"""
RATED = ("EN-MEN-TR-3k", "EN-WS-353-ALL", "EN-SIMLEX-999", "EN-RW-STANFORD")
# Named nowhere, or in part.
OTHERS = [
    "python benchmarks/accelerator.py",
    "python benchmarks/baseline.py",
    "python benchmarks/counting.py TEXT --within 400MB:2",
    "python benchmarks/counting.py TEXT --files 3",
    "python benchmarks/functions.py",
    "python benchmarks/imports.py",
    "python benchmarks/operators.py STATISTICS",
    "python benchmarks/scaling.py STATISTICS",
    "python benchmarks/sgd_step.py kernels",
    "python benchmarks/sgd_step.py tables",
    "python validation/interventions.py",
    "python validation/noise.py",
    "python validation/solvable.py",
    "python validation/report_screenshots.py PAGE",
]
# Where 40 invented words do not do: Google's questions ask about real ones, Lanczos wants some hundred.
REAL_WORDS = {"benchmarks/spectrum.py", "validation/emergence.py", "validation/relations.py"}
CORPUS = {
    f"validation/{name}.py"
    for name in ("alignment", "emergence", "halves", "predictions", "relations", "uncertainty")
}
IN_A_BROWSER = {"validation/report_screenshots.py", "benchmarks/page.py", "benchmarks/text_page.py"}
# Run, at a small size and looked into, by the test of another file.
ELSEWHERE = {
    "validation/paper_figures.py": "test_plotting.py",
    "tests/bad_input.py": "test_bad_input.py",
    **{f"tests/trust/{name}.py": "trust/test_trust.py" for name in ("flip", "kill", "full", "bombs")},
}


def documented():
    """Every command of a script in README and docs, once, without what is set in the environment for it."""
    found = [command for page in PAGES for command in (*commands(page), *mentioned(page))]
    return list(dict.fromkeys(c for c in map(command_of, found) if c.startswith("python ")))


def script_of(command):
    first, *others = shlex.split(command)[1:]
    return f"{others[0].replace('.', '/')}.py" if first == "-m" else first


def write_page(path, vectors, concepts, words):
    """The page of a run of two times, in which nothing happens."""
    traj = wf.Trajectory("flow", np.arange(2.0), np.ones((2, 5)), np.ones(2), np.stack([vectors, vectors]))
    cloud = wf.results.embedding_cloud([traj], concepts, words)
    wf.write_report(path, wf.compare(traj, spectrum=concepts), cloud, wf.label_features(concepts, words))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with small files of all kinds that the scripts take."""
    folder = tmp_path_factory.mktemp("scripts")
    text = folder / "my-text.txt"
    themed_text(text)
    stats = wf.count(str(text), vocab_size=40, workers=1)
    stats.save(folder / "counts.npz")
    wf.load_statistics("enwiki15k-v3000").most_frequent(1500).save(folder / "wikipedia.npz")
    concepts = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 5)
    vectors = concepts.eigenvectors * np.sqrt(concepts.eigenvalues)
    wf.export_vectors(folder / "vectors.txt", vectors, stats.words)
    write_page(folder / "report.html", vectors, concepts, stats.words)
    a, b, c, d = stats.words[:4]
    questions, pairs = (
        f": pairs\n{a} {b} {c} {d}\n{c} {d} {a} {b}\n",
        f"{a}\t{b}\t9\n{a}\t{c}\t1\n{b}\t{d}\t5\n",
    )
    for name in ("questions.txt", "eval/questions-words.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(questions)
    for name in ("pairs.txt", *(f"eval/{name}.txt" for name in RATED)):
        (folder / name).write_text(pairs)
    (folder / "relations").mkdir()
    (folder / "programs").mkdir()
    for name, program in (("vocab_count", VOCAB_COUNT), ("cooccur", COOCCUR)):
        (folder / "programs" / name).write_text(f"#!{sys.executable}{program}")
        (folder / "programs" / name).chmod(0o755)
    (folder / "languages").mkdir()
    for name, sentence in (("de", "Für die Straße ist's gut."), ("lo", "ຂ້ອຍຮັກພາສາລາວຫຼາຍ ມື້ນີ້ອາກາດດີຫຼາຍ")):
        (folder / "languages" / f"{name}.txt").write_text(f"{sentence}\n" * 3)
    (folder / "relations" / "one.txt").write_text(f"{a}\t{b}\n{c}\t{d}\n{b}\t{d}\n")
    (folder / "enwiki15k.txt.xz").write_bytes(lzma.compress(text.read_bytes()))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in (*documented(), *OTHERS) if script_of(c) not in ELSEWHERE])
def test_script_runs(command, given, request, monkeypatch, capfd):
    script = script_of(command)
    data = request.getfixturevalue("corpus_folder") if script in CORPUS else given
    if script in IN_A_BROWSER and shutil.which("chromium") is None:
        pytest.skip("There is no Chromium: install one to test pages.")
    monkeypatch.chdir(given)
    monkeypatch.setenv("W2VFLOW_TEST_DATA", str(data))
    for name, place in PLACES.items():
        command = re.sub(rf"\b{name}\b", place, command)
    if script in REAL_WORDS:
        command = command.replace("counts.npz", "wikipedia.npz")
    small = SMALLER.get(script, "--small" if script.startswith("validation/") else None)
    assert small is not None, f"say here how {script} runs in seconds"
    monkeypatch.setattr(sys, "argv", shlex.split(f"{command} {small}")[1:])
    monkeypatch.syspath_prepend(str((ROOT / script).parent))
    runpy.run_path(str(ROOT / script), run_name="__main__")
    assert capfd.readouterr().out.strip() or script.endswith("screenshots.py"), "it says what it found"


def test_every_script_is_run():
    run = {script_of(command) for command in (*documented(), *OTHERS)}
    scripts = {
        str(path.relative_to(ROOT))
        for folder in ("benchmarks", "validation")
        for path in (ROOT / folder).glob("*.py")
    }
    # What the scripts of validation share, and the parts of one.
    parts = ("page", "paper_features", "paper_relations", "paper_simclr", "picture", "table")
    assert scripts - {f"validation/{name}.py" for name in parts} <= run
