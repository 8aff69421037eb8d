"""Palette, sizes, panels and files of all figures. Nothing global is changed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import ScaledTranslation

from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import atomic_path
from w2vflow.support.checks import argument_error, check_at_least
from w2vflow.support.display import shown_words
from w2vflow.support.machine import check_fits

__all__ = [
    "Figure",
    "add_legend",
    "axes_or_new",
    "checked_axes",
    "font_size",
    "legend_label",
    "letter_panels",
    "line_width",
    "new_figure",
    "publication",
    "save_figure",
    "shades",
    "time_label",
    "word_label",
]

# Okabe and Ito's palette, told apart by all common kinds of colour vision.
BLACK, ORANGE, SKY, GREEN, BLUE, RED = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"

# Widths of a figure over one column and over both, in inches.
ONE_COLUMN, TWO_COLUMNS = 3.3, 6.9

# Longer labels leave no room for what they are labels of.
_LONGEST = 30
# What TeX obeys, where figures are set by TeX itself.
_TEX = str.maketrans(
    {c: f"\\{c}" for c in "$%#&_{}"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
)

_PUBLICATION: Any = {
    # matplotlib's own font, so that figures are the same on every machine.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.labelpad": 2,
    "axes.titlepad": 4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 0.9,
    "lines.markersize": 3,
    "patch.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
}


@checked
@contextmanager
def publication() -> Iterator[None]:
    """Draw what is made within the block as journals want it: 8 points, thin axes, no frame.

    Make a figure and draw into it within the block; nothing stays changed after it.

    Example:
        >>> with publication():
        ...     figure, panels = new_figure(2, TWO_COLUMNS / 2, 2.2)
        >>> panels[0].xaxis.label.get_fontsize()
        8.0
    """
    with mpl.rc_context(_PUBLICATION):
        yield


@checked
def new_figure(
    columns: int, width: float = 5.0, height: float = 4.0, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels side by side, outside pyplot, so that nobody need close it.

    Args:
        columns: how many panels in a row.
        width, height: of one panel, in inches.
        rows: how many rows; panels are listed row by row.
    """
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns)))


# Dots per inch of the finest printers; a figure of twice as many takes gigabytes.
_MOST_DOTS = 4800


@checked
def save_figure(
    figure: Figure, stem: Path, *, formats: Iterable[str] = ("png", "svg"), dpi: int = 160
) -> list[Path]:
    """Write the figure as `stem.png` and `stem.svg`, atomically and without a date; return the paths.

    Letters of SVG files are outlines, and PDF files hold their fonts: they look the same everywhere.

    Args:
        figure: the figure.
        stem: path without suffix.
        formats: of matplotlib, e.g. `"pdf"`.
        dpi: of PNG files, dots per inch.
    """
    if not 1 <= dpi <= _MOST_DOTS:
        raise argument_error("dpi", f"between 1 and {_MOST_DOTS}", dpi)
    known = figure.canvas.get_supported_filetypes()
    for form in formats:
        if form not in known:
            raise argument_error("formats", f"one of {sorted(known)}", repr(form))
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    fonts: Any = {"svg.hashsalt": "w2vflow", "svg.fonttype": "path", "pdf.fonttype": 42}
    paths = []
    for form in formats:
        path = stem.with_suffix(f".{form}")
        with mpl.rc_context(fonts), atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=dpi, metadata=dates.get(form, {}))
        paths.append(path)
    return paths


@checked
def shades(concepts: int) -> np.ndarray:
    """Return a colour for each concept, in their order: dark to light, so told apart without hue too.

    Raises:
        ValueError: no concepts.
    """
    check_at_least("concepts", 1, concepts)
    check_fits("concepts", f"{concepts} colours", 64 * concepts, "Draw fewer.")
    return plt.get_cmap("viridis")(np.linspace(0, 0.9, concepts))


def axes_or_new(ax: Axes | None) -> Axes:
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def checked_axes(axes: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return Axes given for the panels of a composite as an array of `shape`.

    Raises:
        ValueError: there are more or fewer.
    """
    given = np.asarray(axes, dtype=object)
    if given.size != np.prod(shape):
        raise argument_error("axes", f"an array of Axes of shape {shape}", f"shape {given.shape}")
    return given.reshape(shape)


@checked
def letter_panels(axes: Sequence[Axes] | np.ndarray) -> None:
    """Write a, b, c, ... in bold at the upper left of each panel, in the order given."""
    panels = np.ravel(np.asarray(axes, dtype=object))
    if not all(isinstance(ax, Axes) for ax in panels):
        raise argument_error("axes", "a list of Axes", "others")
    for number, ax in enumerate(panels):
        outside = ax.transAxes + ScaledTranslation(-4 / 72, 3 / 72, ax.get_figure().dpi_scale_trans)
        text = ax.text(
            0, 1, ascii_lowercase[number], transform=outside, weight="bold", ha="right", va="bottom"
        )
        text.set_in_layout(False)


def font_size(name: str) -> float:
    """Return the size of letters in points, by its name (`"small"`) in the style."""
    return float(FontProperties(size=name).get_size_in_points())


def line_width(factor: float) -> float:
    """Return the width of a line `factor` times as wide as the style has it, in points."""
    return factor * float(mpl.rcParams["lines.linewidth"])


def word_label(word: str) -> str:
    """Return a word, or a name that is none of ours, as text of a figure that shows it as it is.

    Dollar signs begin no mathematics, controls are spelled out, and more than 30 letters are cut. All words
    of figures go through here.
    """
    shown = shown_words([word])
    if len(shown) > _LONGEST:
        shown = f"{shown[: _LONGEST - 1]}\u2026"
    return shown.translate(_TEX) if mpl.rcParams["text.usetex"] else shown.replace("$", r"\$")


def legend_label(name: str) -> str:
    """Return `word_label` as text of a legend, which leaves out what begins with an underscore."""
    return f" {word_label(name)}" if name.startswith("_") else word_label(name)


def time_label(time_unit: float) -> str:
    return "time $t$" if time_unit == 1 else r"time $t / t_1$"


def add_legend(ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    ax.legend(unique.values(), unique.keys(), frameon=False, fontsize="small")
