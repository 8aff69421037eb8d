"""The site: docs/ with notebooks as pages, the log of changes and a live page, built by Zensical.

    python docs/tools/site_pages.py [FOLDER]

FOLDER (build/docs by default) gets `pages/`, all that the site is made of, and `site/`, the site itself.
Pages link `../notebooks/x.ipynb`, which is right where docs/ is a folder of the repository; in the site the
notebook is a page beside them. Formulas become MathML, so that the site asks no other host for anything.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

__all__ = ["main", "notebook_page"]

ROOT = Path(__file__).parents[2]
FRAME = '<iframe src="{}" title="{}" loading="lazy" style="width:100%;height:{}px;border:0"></iframe>'
# `$$...$$` and `$...$`, but neither within code nor prices: no space after the first, none before the last.
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w`])\$(?!\s)([^$`]+?)(?<!\s)\$(?![\w$])", re.DOTALL)


def notebook_page(path: Path, beside: Path) -> str:
    """Return a notebook with its results as Markdown, pictures and sliders as files in `beside`."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [_cell(cell, f"{path.stem}-{number}", beside) for number, cell in enumerate(cells)]
    title, _, rest = "\n\n".join(part for part in parts if part).partition("\n")
    note = (
        f'*A notebook with its results: <a href="{path.name}" download>download it</a> to run it yourself.*'
    )
    return f"{title}\n\n{note}\n{rest}\n"


def _cell(cell: dict[str, Any], name: str, beside: Path) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return FORMULA.sub(_mathml, source.replace("](../docs/", "](../"))
    outputs = [_output(out, f"{name}-{k}", beside) for k, out in enumerate(cell.get("outputs", []))]
    return "\n\n".join([f"```python\n{source}\n```", *outputs])


def _output(output: dict[str, Any], name: str, beside: Path) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        head = '<!doctype html><meta charset="utf-8"><body style="margin:0;background:#fff">'
        (beside / f"{name}.html").write_text(head + "".join(data["text/html"]), encoding="utf-8")
        return FRAME.format(f"{name}.html", "A figure with a slider", 420)
    if "image/png" in data:
        (beside / f"{name}.png").write_bytes(base64.b64decode("".join(data["image/png"])))
        return f"![]({name}.png)"
    text = "".join(data.get("text/plain", output.get("text", "")))
    return f"```text\n{text.rstrip()}\n```"


def _mathml(formula: re.Match[str]) -> str:
    display = "block" if formula[1] else "inline"
    return convert((formula[1] or formula[2]).strip(), display=display)


def _live_page(path: Path) -> None:
    """Write the page of the bundled counts as `w2vflow demo` does, smaller and without SGD."""
    import jax
    import numpy as np

    import w2vflow as wf

    jax.config.update("jax_enable_x64", True)
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(1000)
    problem = wf.Problem.from_statistics(stats)
    spectrum = wf.leading_eigenpairs(problem, 12)
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim=12, scale=1e-4)
    ts = np.linspace(0, 1.25 * float(np.max(wf.predict_step_times(problem, W0))), 100)
    exact = wf.predict(problem, W0, ts, save_embeddings=True)
    flow = wf.solve_flow(problem, W0, ts, recording=wf.results.Recording(save_embeddings=True))
    cloud = wf.results.embedding_cloud([exact, flow], spectrum, stats.words, n_words=400)
    features = wf.label_features(spectrum, stats.words)
    title = "What word2vec learns from Wikipedia, step by step"
    start = wf.theory.exact_start(problem, W0, cloud.ranks)
    comparison = wf.compare(exact, flow, spectrum=spectrum)
    wf.write_report(path, comparison, cloud, features, start=start, title=title)


def prepare(folder: Path) -> None:
    """Write all that the site is made of into the folder."""
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("tools"))
    shutil.copy(ROOT / "CHANGELOG.md", pages)
    for page in pages.glob("*.md"):
        text = page.read_text(encoding="utf-8").replace("](../CHANGELOG.md", "](CHANGELOG.md")
        text = re.sub(r"\]\(\.\./(notebooks/\w+)\.ipynb", r"](\1.md", text)
        page.write_text(text, encoding="utf-8")
    for folder_name in ("notebooks", "live"):
        (pages / folder_name).mkdir()
    for notebook in sorted(ROOT.glob("notebooks/*.ipynb")):
        page = notebook_page(notebook, pages / "notebooks")
        (pages / "notebooks" / f"{notebook.stem}.md").write_text(page, encoding="utf-8")
        shutil.copy(notebook, pages / "notebooks")
    _live_page(pages / "live" / "wikipedia.html")
    # Paths of the configuration are relative to it.
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings.replace("docs_dir: docs", "docs_dir: pages").replace(
        "paths: [src]", f"paths: [{json.dumps(str(ROOT / 'src'))}]"
    )
    settings = settings.replace("docs/tools/", f"{ROOT}/docs/tools/")
    (folder / "mkdocs.yml").write_text(settings, encoding="utf-8")


def main(folder: Path) -> int:
    """Build the site into `folder / "site"`; return the exit status, 1 where a link leads nowhere."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder)
    return subprocess.call([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=folder)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()))
