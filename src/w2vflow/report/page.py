"""The page of a run: one interactive HTML file, with nothing to install and nothing to fetch."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from w2vflow.report.content import page_content
from w2vflow.report.live import add_reality, start_content
from w2vflow.report.parts import filled, joined_scripts, page_of, part
from w2vflow.results import Cloud, Comparison
from w2vflow.semantics import Feature
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import write_text
from w2vflow.support.checks import argument_error
from w2vflow.theory import ExactStart, SamplingUncertainty

__all__ = ["page_around", "write_report"]

# In the order in which they are put into one function, so that none of their names is global.
_SCRIPTS = (
    *("state", "text", "theme", "symmetric_eigen", "engine", "system", "view"),
    *("space", "cloud", "chart", "curves", "agreement", "caption", "controls", "concepts", "search"),
    *("clock", "lessons", "downloads", "address", "start"),
)


@checked
def write_report(
    path: str | os.PathLike[str],
    comparison: Comparison,
    cloud: Cloud | None,
    features: Sequence[Feature],
    *,
    start: ExactStart | None = None,
    uncertainty: SamplingUncertainty | None = None,
    pending: Sequence[str] = (),
    title: str = "",
    configuration: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of a run, whole or not at all, and return its path.

    One file that asks the network for nothing: words moving in time along concepts of choice, loss and
    singular values at the same time, the table of concepts, predicted against measured step times, and the
    configuration. With `start` the page computes: the exact training from other seeds, initial scales,
    dimensions, step sizes, eigenvalues and weights of a word, while a slider moves.

    Args:
        path: of the HTML file.
        comparison: any trajectories side by side, with a spectrum.
        cloud: positions of words, of `embedding_cloud`.
        features: words of every concept, of `label_features`.
        start: of the same problem, weights and words: `exact_start(problem, W0, cloud.ranks)`. If omitted,
            the page shows the run alone.
        uncertainty: error bars of the concepts, of `document_uncertainty`, which the page puts into words.
        pending: sources that are still being computed, which the page says.
        title: of the page.
        configuration: settings, versions, device; nested mappings become dotted names.

    Raises:
        ValueError: a comparison without a spectrum, no cloud, fewer features than concepts, or a start of
            other words.
        OSError: the file cannot be written.

    Example:
        comparison = compare(theory, flow, sgd, spectrum=spectrum)
        cloud = embedding_cloud([theory, flow, sgd], spectrum, words)
        write_report("report.html", comparison, cloud, label_features(spectrum, words))
    """
    if comparison.spectrum is None:
        remedy = "Make it with `compare(..., spectrum=...)`."
        raise argument_error("comparison", "one with a spectrum", "none", remedy)
    if cloud is None or not cloud.coordinates or not cloud.words:
        remedy = (
            "Run the solvers with `Recording(save_embeddings=True)`; pass the results to `embedding_cloud`."
        )
        raise argument_error("cloud", "positions of words over time", "none", remedy)
    title = title or "What word2vec learns, step by step"
    content = page_content(comparison, cloud, features, title=title, configuration=configuration or {})
    if start is not None:
        content["start"] = start_content(start, cloud)
    if uncertainty is not None:
        add_reality(content["concepts"], uncertainty)
    write_text(path, _page(title, {**content, "pending": list(pending)}))
    return Path(path)


def _page(title: str, content: dict[str, Any]) -> str:
    # Words are anybody's text: without "<", none can end the element that holds them.
    data = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    before, after = page_around(title)
    return before + data + after


def page_around(title: str) -> tuple[str, str]:
    """Return what stands before and after the content of a page."""
    page = page_of("page.html", title, {"/* STYLE */": part("page.css")})
    # The last: a title may hold anything.
    before, _, after = page.rpartition("/* DATA */")
    return before, filled(after, {"/* SCRIPTS */": joined_scripts(_SCRIPTS)})
