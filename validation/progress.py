"""How far a word2vec model has got on the theory's axis: figures and a picture.

    python validation/progress.py STATISTICS VECTORS [VECTORS ...] [--labels NAME ...] [--concepts 200]
                                  [--small] [--out FOLDER]

STATISTICS is a file of `w2vflow count`; VECTORS are files that `import_vectors` reads, of any program:
checkpoints of one model for the picture docs/pictures/gensim_progress.png. Prints, of each, the best time
against `M*` at constant `G`, tied and untied, and how much of the leading directions of the model is in the
leading eigenvectors. `--out FOLDER` has the picture elsewhere.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
from table import PICTURES, read_options

import w2vflow as wf
from w2vflow.embeddings import WordVectors, import_vectors
from w2vflow.plotting import new_figure, plot_progress, plot_strengths
from w2vflow.plotting.progress import COLOURS
from w2vflow.plotting.style import Axes
from w2vflow.semantics import Progress, fit_progress
from w2vflow.spectrum import common_rows, principal_directions
from w2vflow.support.atomic_files import atomic_path

# At small size: words of the statistics, and concepts.
SMALL_WORDS, SMALL_CONCEPTS = 200, 12
SIZES = np.array([1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500])


def overlaps(
    given: WordVectors, spectrum: wf.Spectrum, words: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return sizes k, and what the first k directions of model and theory share, both centred."""
    rows, others = common_rows(given.words, words)
    centred = (side - side.mean(axis=0) for side in (given.vectors[rows], spectrum.eigenvectors[others]))
    model, theory = centred
    most = min(theory.shape[1], model.shape[1] - 1)
    sizes = np.unique([*SIZES[most > SIZES], most])
    U = principal_directions(model.astype(np.float64), most)
    return sizes, np.array([wf.subspace_overlap(U[:, :k], theory[:, :k]) for k in sizes])


def plot_overlaps(ax: Axes, curves: list[tuple[np.ndarray, np.ndarray]], labels: list[str], n: int) -> None:
    """Draw the overlaps over how many directions are taken."""
    for at, (sizes, shared) in enumerate(curves):
        colour = COLOURS[at % len(COLOURS)]
        ax.plot(sizes, shared, "o-", color=colour, markersize=4, label=labels[at])
    ax.plot(sizes, sizes / n, ":", color="0.4", label="by chance")
    ax.set(
        xscale="log",
        ylim=(0, 1),
        xlabel="leading directions $k$",
        ylabel="shared with the theory's first $k$",
    )
    ax.legend(frameon=False, fontsize=8, loc="lower left")


def main() -> None:
    """Print the figures and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("statistics", type=Path)
    parser.add_argument("vectors", type=Path, nargs="+")
    parser.add_argument("--labels", nargs="+")
    parser.add_argument("--concepts", type=int)
    asked = read_options(parser, PICTURES)
    concepts = asked.concepts or (SMALL_CONCEPTS if asked.small else 200)
    labels = asked.labels or [path.stem for path in asked.vectors]

    stats = wf.CooccurrenceStatistics.load(asked.statistics)
    if asked.small:
        stats = stats.most_frequent(min(SMALL_WORDS, stats.vocab_size))
    problem = wf.Problem.from_statistics(stats)
    tied = wf.leading_eigenpairs(problem, concepts, tol=1e-5)
    untied = wf.extreme_eigenpairs(problem, concepts, tol=1e-5)
    models = [import_vectors(path) for path in asked.vectors]
    fits: list[Progress] = []
    for label, model in zip(labels, models, strict=True):
        fits.append(fit_progress(model.vectors, model.words, tied, stats.words))
        print(f"{label}, tied\n{fits[-1]}\n")
        both = fit_progress(model.vectors, model.words, untied, stats.words, tied=False)
        print(f"{label}, untied\n{both}\n")
    curves = [overlaps(model, tied, stats.words) for model in models]
    for label, (sizes, shared) in zip(labels, curves, strict=True):
        print(
            f"{label}, shared directions:",
            ", ".join(f"{k}: {s:.2f}" for k, s in zip(sizes, shared, strict=True)),
        )

    figure, axes = new_figure(3, width=3.6, height=3.5)
    plot_progress(*fits, labels=labels, ax=axes[0])
    plot_strengths(*fits, labels=labels, ax=axes[1])
    plot_overlaps(axes[2], curves, labels, fits[0].common_words)
    asked.out.mkdir(parents=True, exist_ok=True)
    with atomic_path(asked.out / "gensim_progress.png") as temporary:
        figure.savefig(temporary, dpi=130)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
