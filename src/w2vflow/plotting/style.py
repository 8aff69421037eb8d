"""What all figures share: palette, panels, files. Nothing global is changed."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from w2vflow.storage import atomic_path

__all__ = ["Figure", "add_legend", "axes_or_new", "new_figure", "save_figure", "shades", "time_label"]

# Okabe and Ito's palette, told apart by all common kinds of colour vision.
BLACK, ORANGE, SKY, GREEN, BLUE, RED = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"


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


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as `stem.png` and `stem.svg`, atomically and without a date; return both paths."""
    paths = []
    for suffix, metadata in ((".png", {}), (".svg", {"Date": None})):
        path = stem.with_suffix(suffix)
        with mpl.rc_context({"svg.hashsalt": "w2vflow"}), atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=160, metadata=metadata)
        paths.append(path)
    return paths


def shades(concepts: int) -> np.ndarray:
    """Return a colour for each concept, in their order: dark to light, so told apart without hue too."""
    return plt.get_cmap("viridis")(np.linspace(0, 0.9, concepts))


def axes_or_new(ax: Axes | None) -> Axes:
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def time_label(time_unit: float) -> str:
    return "time $t$" if time_unit == 1 else r"time $t / t_1$"


def add_legend(ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    ax.legend(unique.values(), unique.keys(), frameon=False, fontsize=8)
