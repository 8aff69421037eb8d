"""Figure with a slider, in notebooks and on pages, without a library or a network."""

import base64
import hashlib
import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from numbers import Real
from string import Template
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from w2vflow.plotting.style import word_label
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words

__all__ = ["Slider", "slide"]

# Many frames share one page: enough to read 10 pt.
_DPI, _COLOURS = 80, 128

# A sanitiser that takes the script away leaves the static picture. No ids, which would clash where the
# same slider is shown twice: the script takes whichever slider of these frames has none yet. It waits,
# because notebooks run scripts before the output is part of the page.
_PAGE = Template("""\
<div class="w2vflow-slider" data-frames="$key">
<img alt="$still_text" src="$still" style="max-width:100%">
</div>
<script>
(function () {
  const frames = $frames, captions = $captions, label = $label;
  function build(root) {
    root.dataset.ready = "yes";
    root.innerHTML = '<img style="max-width:100%;display:block"><div style="display:flex;gap:.5em;' +
      'align-items:center;max-width:$width;font:13px sans-serif"><button type="button" aria-label="play">' +
      '\\u25b6\\ufe0e</button><button type="button" aria-label="step back">\\u2212</button>' +
      '<button type="button" aria-label="step forward">+</button>' +
      '<input type="range" min="0" step="1" style="flex:1"><output style="min-width:7em"></output></div>';
    const image = root.querySelector("img"), range = root.querySelector("input");
    const said = root.querySelector("output"), [play, back, forward] = root.querySelectorAll("button");
    let timer = null;
    function show(at) {
      at = Math.min(Math.max(at, 0), frames.length - 1);
      range.value = at;
      image.src = frames[at];
      image.alt = said.textContent = captions[at];
      range.setAttribute("aria-valuetext", captions[at]);
    }
    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "\\u25b6\\ufe0e";
      play.setAttribute("aria-label", "play");
    }
    function start() {
      if (+range.value >= frames.length - 1) show(0);
      play.textContent = "\\u23f8\\ufe0e";
      play.setAttribute("aria-label", "pause");
      timer = setInterval(function () {
        if (!root.isConnected || +range.value >= frames.length - 1) stop();
        else show(+range.value + 1);
      }, 150);
    }
    range.max = frames.length - 1;
    range.setAttribute("aria-label", label);
    range.addEventListener("input", function () { stop(); show(+range.value); });
    back.addEventListener("click", function () { stop(); show(+range.value - 1); });
    forward.addEventListener("click", function () { stop(); show(+range.value + 1); });
    play.addEventListener("click", function () { if (timer) stop(); else start(); });
    show(0);
  }
  let tries = 0;
  function find() {
    const found = document.querySelectorAll('[data-frames="$key"]:not([data-ready])');
    found.forEach(build);
    if (!found.length && ++tries < 50) setTimeout(find, 100);
  }
  setTimeout(find, 0);
})();
</script>
""")


@checked
@dataclass(frozen=True, eq=False)
class Slider:
    """Frames of a figure with a slider through them. Make one with `slide`; a notebook shows it.

    Attributes:
        label: name of the values.
        captions: of each frame.
        frames: PNG files, all of one size.
        still: PNG file of the first, the middle and the last frame side by side.
        width: of a frame, in inches.
    """

    label: str
    captions: tuple[str, ...]
    frames: tuple[bytes, ...]
    still: bytes
    width: float

    def __repr__(self) -> str:
        span = shown_words([self.captions[0], self.captions[-1]], " .. ")
        return f"Slider({len(self.frames)} frames, {span})"

    def _repr_html_(self) -> str:
        """Return a part of a page that needs nothing else; without scripts it is the static picture."""
        return _PAGE.substitute(
            key=hashlib.sha256(b"".join((*self.frames, repr(self.captions).encode()))).hexdigest()[:16],
            still=_uri(self.still),
            still_text=html.escape(f"{self.captions[0]} to {self.captions[-1]}"),
            frames=_script_value([_uri(frame) for frame in self.frames]),
            captions=_script_value(self.captions),
            label=_script_value(self.label),
            width=f"{self.width * _DPI:.0f}px",
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return the slider, the static picture and a line of text, of which a frontend takes what it can."""
        return {"text/html": self._repr_html_(), "image/png": self.still, "text/plain": repr(self)}


@checked
def slide(
    draw: Callable[[Any, Axes], Any],
    values: Sequence[Any],
    *,
    label: str = "t",
    size: tuple[float, float] = (6, 3.6),
) -> Slider:
    """Return a slider through a figure drawn for each value, frame by frame.

    Frames are pictures within the page: it needs no network, kernel or library. Without scripts, the first,
    the middle and the last frame are shown side by side. Axes stand at the same place in all frames if each
    has one alone.

    Args:
        draw: `draw(value, ax)` draws into the Axes of a new figure. Set limits, which would otherwise follow
            the data from frame to frame.
        values: numbers or anything with a name, some 10 to 60.
        label: name of the values.
        size: of a frame, width and height in inches.

    Raises:
        ValueError: no values.

    Example:
        >>> slide(lambda n, ax: ax.plot([0, 1], [0, n]), [1, 2, 3], label="n")
        Slider(3 frames, n = 1 .. n = 3)
    """
    if len(values) == 0:
        raise argument_error("values", "at least one value to draw", "none")
    named = (f"{value:.4g}" if isinstance(value, Real) else value for value in values)
    captions = tuple(f"{label} = {name}" for name in named)
    figures = [Figure(figsize=size, dpi=_DPI, layout="constrained") for _ in values]
    for figure, value in zip(figures, values, strict=True):
        draw(value, figure.subplots())
        figure.draw_without_rendering()
    _align(figures)
    frames = tuple(_png(figure) for figure in figures)
    return Slider(label, captions, frames, _still(draw, values, captions, size), size[0])


def _align(figures: Sequence[Figure]) -> None:
    """Put the Axes of all figures where there is room in every one, so that nothing jumps between frames."""
    if any(len(figure.axes) != 1 for figure in figures):
        return
    boxes = [figure.axes[0].get_position(original=True) for figure in figures]
    left, bottom = max(box.x0 for box in boxes), max(box.y0 for box in boxes)
    right, top = min(box.x1 for box in boxes), min(box.y1 for box in boxes)
    for figure in figures:
        figure.set_layout_engine("none")
        figure.axes[0].set_position((left, bottom, right - left, top - bottom))


def _still(
    draw: Callable[[Any, Axes], Any],
    values: Sequence[Any],
    captions: Sequence[str],
    size: tuple[float, float],
) -> bytes:
    """Return the first, the middle and the last frame side by side, each below its caption."""
    shown = sorted({0, (len(values) - 1) // 2, len(values) - 1})
    width, height = size
    figure = Figure(figsize=(0.8 * width * len(shown), 0.8 * height), dpi=_DPI, layout="constrained")
    for at, part in zip(shown, figure.subfigures(1, len(shown), squeeze=False)[0], strict=True):
        draw(values[at], part.subplots())
        part.suptitle(word_label(captions[at]), fontsize="medium")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    """Return a figure in the colours that describe it best: a quarter of the bytes of all colours."""
    canvas, file = FigureCanvasAgg(figure), BytesIO()
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, format="png", optimize=True)
    return file.getvalue()


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _script_value(value: Any) -> str:
    """Return a value as a script writes it; no text in it can end the script."""
    return json.dumps(value).replace("<", "\\u003c")
