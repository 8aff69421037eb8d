"""Time of the page that computes: from a control to the picture, and of one time of the exact solution.

    python benchmarks/page.py [--vocab-size 600] [--dim 16] [--moves 40]

In Chromium without a GPU, on statistics that come along. Each move of a slider is one event. The first
figure ends when its handlers have run: all numbers are computed, curves, table and caption redrawn. The
second ends when the frame in which the cloud was drawn is done; on a display of 60 frames a second that
waits for up to 17 ms. Medians and largest, with the load of the machine. Equality with `predict` is held
by tests/report/test_live_page.py.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import jax
import numpy as np
from playwright.sync_api import sync_playwright

import w2vflow as wf
from w2vflow.theory import exact_start

MOVES = """async ({ moves, id, from, step }) => {
  const slider = document.getElementById(id);
  const found = [];
  for (let move = 0; move < moves; move += 1) {
    const began = performance.now();
    slider.value = from + step * move;
    slider.dispatchEvent(new Event("input"));
    const handled = performance.now() - began;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    found.push([handled, performance.now() - began, document.getElementById("staircase").shown.ts.length]);
  }
  return found;
}"""
# By control: its slider, the first position and the step of a move.
CONTROLS = {
    "initial size": ("set-factor", -2.0, 0.05),
    "seed": ("set-seed", 1, 1),
    "dimensions": ("set-dim", 4, 1),
    "step size": ("set-rate", 0.01, 0.01),
    "weight decay": ("set-decay", 0.01, 0.01),
    "weight of a word": ("set-weight", 0.0, 0.04),
}


def written_page(folder: Path, vocab_size: int, dim: int) -> Path:
    """Write a page of theory and flow, and return its path."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(vocab_size)
    problem = wf.Problem.from_statistics(stats)
    basis = wf.leading_eigenpairs(problem, vocab_size)
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 3), vocab_size, dim, 1e-2)
    ts = np.linspace(0, 1.1 * float(np.nanmax(wf.predict_step_times(problem, W0, spectrum=basis))), 121)
    theory = wf.predict(problem, W0, ts, spectrum=basis, save_embeddings=True)
    leading = basis.leading(dim)
    cloud = wf.results.embedding_cloud([theory], leading, stats.words)
    return wf.write_report(
        folder / "page.html",
        wf.compare(theory, spectrum=leading),
        cloud,
        wf.label_features(leading, stats.words),
        start=exact_start(problem, W0, cloud.ranks, spectrum=basis),
    )


def main() -> None:
    """Print a row for every control."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vocab-size", type=int, default=600)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--moves", type=int, default=40)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = written_page(Path(folder), asked.vocab_size, asked.dim)
        program = (
            shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        )
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(path.as_uri())
        page.locator("#word").fill(page.locator("#words option").nth(50).get_attribute("value"))
        page.keyboard.press("Enter")
        page.wait_for_timeout(1000)
        load = os.getloadavg()[0]
        print(f"V = {asked.vocab_size}, d = {asked.dim}, load {load:.1f}, {asked.moves} moves each")
        print("control            computed and curves redrawn, ms    to the picture, ms      times")
        for name, (slider, first, step) in CONTROLS.items():
            given = {"moves": asked.moves, "id": slider, "from": first, "step": step}
            moved = page.evaluate(MOVES, given)
            page.locator("#back-to-run").click()
            handled, drawn, times = ([row[at] for row in moved] for at in range(3))
            print(
                f"{name:18} median {statistics.median(handled):6.1f}, largest {max(handled):6.1f}      "
                f"median {statistics.median(drawn):6.1f}, largest {max(drawn):6.1f}   "
                f"{int(statistics.median(times))}"
            )
        browser.close()


if __name__ == "__main__":
    main()
