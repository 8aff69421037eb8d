"""Film of learning: the cloud of words unfolds, a cursor runs along the staircase beside it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from w2vflow.plotting.learning import name_words, plot_concepts
from w2vflow.plotting.style import RED
from w2vflow.results import Cloud, Comparison
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import atomic_path
from w2vflow.support.checks import argument_error

__all__ = ["animate_learning", "writes_mp4"]

# Frames a second and dots per inch: a GIF holds every frame whole, and many seconds of it weigh much.
_FILM, _GIF = (20, 120), (10, 80)
# Both sides even at either resolution, as films want it.
_INCHES = (8.0, 4.0)
# Words named at each end of the two axes.
_NAMED = 6
# As many concepts as can be told apart in the staircase.
_CONCEPTS = 8


@checked
def animate_learning(
    path: str | os.PathLike[str],
    cloud: Cloud,
    comparison: Comparison,
    *,
    source: str = "flow",
    seconds: float = 12,
) -> Path:
    """Write a film of the cloud unfolding, with the staircase beside it; return its path.

    Words along concepts 1 and 2, concept 3 by colour, a few by name. Between the times of the cloud they
    move in straight lines. Dashed in the staircase: the closed form, if `comparison` has it. An MP4, or a
    GIF if there is no ffmpeg that knows H.264.

    Args:
        path: of the film; its suffix is replaced by `.mp4` or `.gif`.
        cloud: of `embedding_cloud`.
        comparison: with the same source.
        source: which one is shown, of its first seed.
        seconds: length of the film.

    Raises:
        ValueError: no such source in one of them, fewer than two concepts or times, or no seconds.
        OSError: the file cannot be written.
    """
    names = [name for name in cloud.coordinates if name in comparison.trajectories]
    if source not in names:
        raise argument_error("source", f"in the cloud and the comparison: one of {names}", repr(source))
    if len(cloud.eigenvalues) < 2 or len(cloud.ts) < 2:
        got = f"{len(cloud.eigenvalues)} and {len(cloud.ts)}"
        raise argument_error("cloud", "along two concepts or more, at two times or more", got)
    if not seconds > 0:
        raise argument_error("seconds", "above 0", seconds)
    film = writes_mp4()
    path, (rate, dpi) = Path(path).with_suffix(".mp4" if film else ".gif"), _FILM if film else _GIF
    writer: AbstractMovieWriter = FFMpegWriter(fps=rate) if film else PillowWriter(fps=rate)
    scene = _Scene(cloud, comparison, source, dpi)
    with atomic_path(path) as temporary, writer.saving(scene.figure, str(temporary), dpi):
        for moment in np.linspace(cloud.ts[0], cloud.ts[-1], max(2, round(seconds * rate))):
            scene.show(float(moment))
            writer.grab_frame()
    return path


@checked
def writes_mp4() -> bool:
    """Return whether there is an ffmpeg here that encodes H.264, which some distributions leave out."""
    program = shutil.which("ffmpeg")
    if program is None:
        return False
    # Tried, as encoders are listed that need a graphics card.
    given, wanted = "-f rawvideo -s 64x64 -pix_fmt rgba -i pipe:0", "-vcodec h264 -pix_fmt yuv420p -f null -"
    command = [program, "-loglevel", "quiet", *given.split(), *wanted.split()]
    return subprocess.run(command, input=bytes(64 * 64 * 4), check=False).returncode == 0


class _Scene:
    """The figure, made once; `show` moves what moves."""

    def __init__(self, cloud: Cloud, comparison: Comparison, source: str, dpi: int) -> None:
        self.ts = cloud.ts
        coordinates = cloud.coordinates[source]
        self.spots = np.asarray(coordinates[..., :2], np.float64)
        third = coordinates[..., 2] if coordinates.shape[-1] > 2 else np.zeros(coordinates.shape[:-1])
        self.colours = np.asarray(third, np.float64)
        self.limit = 1.15 * float(np.abs(self.spots).max())
        self.figure = Figure(figsize=_INCHES, dpi=dpi, layout="constrained")
        left, right = self.figure.subplots(1, 2)
        shade = 0.5 * self.limit
        self.dots = left.scatter(
            *self.spots[0].T, c=self.colours[0], cmap="cividis", vmin=-shade, vmax=shade, s=7, linewidths=0
        )
        limits = (-self.limit, self.limit)
        left.set(xlim=limits, ylim=limits, aspect="equal", xticks=[], yticks=[])
        left.set(xlabel="along concept 1 (colour: concept 3)", ylabel="along concept 2")
        # At a place of its own: matplotlib would look for one above axes that are no longer drawn.
        self.title = left.set_title(" ", y=1.02)
        _staircase(right, comparison, source)
        self.cursor = right.axvline(self.ts[0], color=RED, linewidth=1.5, zorder=5)
        # Laid out once: nothing that moves later takes room.
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")
        last = self.spots[-1]
        ends = [np.argsort(sign * last[:, axis])[:_NAMED] for axis in (0, 1) for sign in (-1, 1)]
        rows = list(dict.fromkeys(np.stack([*ends], axis=1).ravel().tolist()))
        self.names = name_words(left, last, cloud.words, rows, self.limit)
        _still(self.figure, [self.dots, self.title, self.cursor, *self.names.values()])

    def show(self, moment: float) -> None:
        """Move everything to a time, between observed ones in a straight line."""
        after = int(np.clip(np.searchsorted(self.ts, moment), 1, len(self.ts) - 1))
        share = (moment - self.ts[after - 1]) / (self.ts[after] - self.ts[after - 1])
        spots, colours = (
            (1 - share) * values[after - 1] + share * values[after] for values in (self.spots, self.colours)
        )
        self.dots.set_offsets(spots)
        self.dots.set_array(colours)
        self.cursor.set_xdata([moment, moment])
        self.title.set_text(f"$t = {moment:.3g}$")
        for row, name in self.names.items():
            name.xy = tuple(spots[row])
            # In the heap at the start a name says nothing.
            name.set_visible(bool(np.hypot(*spots[row]) > 0.1 * self.limit))


def _still(figure: Figure, moving: Sequence[Artist]) -> None:
    """Put a picture in the place of everything that does not move: drawing it anew takes most of the time."""
    for artist in moving:
        artist.set_visible(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.array(canvas.buffer_rgba())
    for ax in figure.axes:
        ax.set_axis_off()
        for artist in ax.get_children():
            artist.set_visible(artist in moving)
    figure.figimage(picture, origin="upper", zorder=-1)


def _staircase(ax: Axes, comparison: Comparison, source: str) -> None:
    """Draw the squared singular values of the source, and the closed form if there is one."""
    shown = comparison.trajectories[source]
    theory = comparison.trajectories.get("theory", shown)
    theory, shown = (traj.sel(seed=0) if traj.seeds else traj for traj in (theory, shown))
    concepts = min(_CONCEPTS, shown.dim)
    plot_concepts(theory, shown, concepts=concepts, title="one concept after the other", ax=ax)
