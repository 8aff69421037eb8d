"""How long the page of a text takes in Chromium: 200 kB of words as frequent as they are in texts.

    python benchmarks/text_page.py [TEXT]

Prints the time from the choice of a file to the table of concepts, as the page shows it, and how far counts
and eigenvalues are from those of the package.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

import w2vflow as wf
from w2vflow.report import write_text_page

REPEATS = 5
FOUND = "document.getElementById('result').found"


def written_text(path: Path, size: int = 200_000) -> Path:
    """Write sentences of 5,000 words by Zipf's law, each of one of twenty topics."""
    rng = np.random.default_rng(0)
    letters = list("aeiounrstlmdkpgbv")
    words = np.array(["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(5000)])
    shares = 1 / np.arange(10, 5010)
    topics = shares * rng.gamma(0.5, size=(20, 5000))
    topics /= topics.sum(axis=1, keepdims=True)
    lines, written = [], 0
    while written < size:
        lines.append(" ".join(rng.choice(words, 20, p=topics[rng.integers(20)])))
        written += len(lines[-1]) + 1
    path.write_text("\n".join(lines))
    return path


def seconds(page: Page, text: Path) -> float:
    """Return how long the page takes from the choice of a file to its concepts."""
    page.evaluate(f"{FOUND} = null")
    start = time.perf_counter()
    page.set_input_files("#file", text)
    while page.evaluate(f"!{FOUND}"):
        page.wait_for_timeout(20)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="?", type=Path)
    given = parser.parse_args().text
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        text = given or written_text(Path(folder) / "text.txt")
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(write_text_page(Path(folder) / "page.html").as_uri())
        times = [seconds(page, text) for _ in range(REPEATS)]
        counted = page.evaluate(
            f"({{ least: {FOUND}.counted.minCount, counts: Array.from({FOUND}.counted.counts) }})"
        )
        values = page.evaluate(f"[...{FOUND}.solution.eigenvalues, ...{FOUND}.solution.nodes]")
        browser.close()
        stats = wf.count(text, vocab_size=1000, min_count=counted["least"])
    apart = np.abs(stats.counts.toarray().ravel() - counted["counts"]).max()
    target = np.asarray(wf.Problem.from_statistics(stats).target())
    off = np.abs(np.linalg.eigvalsh(target)[::-1] - values).max()
    tokens = stats.metadata["corpus_tokens"]
    print(f"{stats.vocab_size:,} words of {tokens:,} tokens, each {counted['least']} times or more")
    print(f"first {times[0]:.2f} s, then {min(times[1:]):.2f} to {max(times[1:]):.2f} s")
    print(f"counts {apart:g} apart, eigenvalues {off:.1e} (the largest {values[0]:.3g}, {values[-1]:.3g})")


if __name__ == "__main__":
    import jax

    jax.config.update("jax_enable_x64", True)
    main()
