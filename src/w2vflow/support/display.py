"""Words as terminals may show them; tables and sketches by which results show themselves in notebooks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from w2vflow.support.arrays import AnyArray

__all__ = ["beside", "harmless", "html_table", "line_sketch", "megabytes", "shown_words"]

# Escapes and other controls of terminals, of one byte and of two; marks that turn the direction of a line;
# line breaks that are none to `print`; halves of characters, which cannot be encoded.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# Okabe and Ito's colours that stand out from white and from black; told apart by the colour-blind too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_FAINT = "1px solid rgba(128, 128, 128, 0.4)"
# A sketch is some hundred pixels wide: more points would only make notebooks larger.
_POINTS = 160
_WIDTH, _HEIGHT, _MARGIN = 300, 150, 4


def harmless(text: str) -> str:
    r"""Return a text without what a terminal would obey: controls are spelled out, but line breaks and tabs.

    In JSON they are spelled in this way too: it remains the same value.

    Example:
        >>> print(harmless("red: \x1b[31m"))
        red: \u001b[31m
    """
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown_words(words: Iterable[str], between: str = ", ") -> str:
    """Return words to be printed in one line: harmless, line breaks and tabs spelled out."""
    return between.join(harmless(word).replace("\n", "\\n").replace("\t", "\\t") for word in words)


def html_table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return an HTML table in the colours of the page it is in; every text is escaped and harmless.

    Without names of columns it has no head. The first cell of a row names it.
    """
    cell = f"padding: 0.15em 0.7em; text-align: left; border-bottom: {_FAINT}"
    head = "".join(f'<th style="{cell}">{_escaped(name)}</th>' for name in columns)
    lines = []
    for name, *values in rows:
        cells = "".join(f'<td style="{cell}">{_escaped(str(value))}</td>' for value in values)
        lines.append(f'<tr><th style="{cell}">{_escaped(str(name))}</th>{cells}</tr>')
    return (
        '<table style="border-collapse: collapse; background: none; font-variant-numeric: tabular-nums">'
        f'<caption style="text-align: left; font-weight: bold; color: inherit">{_escaped(caption)}</caption>'
        + (f"<thead><tr>{head}</tr></thead>" if columns else "")
        + f"<tbody>{''.join(lines)}</tbody></table>"
    )


def line_sketch(caption: str, ts: np.ndarray, curves: Mapping[str, np.ndarray]) -> str:
    """Return curves `(n, T)` by name over times `(T,)` as an inline SVG; only finite points are drawn."""
    some = np.unique(np.linspace(0, len(ts) - 1, min(len(ts), _POINTS)).round().astype(int))
    shown = {name: values[:, some].astype(np.float64) for name, values in curves.items()}
    known = np.concatenate([values[np.isfinite(values)] for values in shown.values()])
    if known.size == 0:
        return ""
    across = _scaled(ts[some], ts[some].min(), ts[some].max(), _WIDTH)
    lines, names = [], []
    for number, (name, values) in enumerate(shown.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        names.append(f'<span style="color: {colour}">&#9632;</span> {_escaped(name)}')
        for curve in _HEIGHT - _scaled(values, known.min(), known.max(), _HEIGHT):
            points = " ".join(
                f"{x:.1f},{y:.1f}" for x, y in zip(across, curve, strict=True) if np.isfinite(y)
            )
            lines.append(f'<polyline points="{points}" stroke="{colour}"/>')
    frame = f'<path d="M0 0V{_HEIGHT}H{_WIDTH}" stroke="currentColor" opacity="0.5"/>'
    ends = f"t from {ts[0]:.4g} to {ts[-1]:.4g}, {known.min():.4g} to {known.max():.4g}"
    return (
        f'<figure style="margin: 0"><figcaption><b>{_escaped(caption)}</b></figcaption>'
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{_escaped(caption)}" fill="none" stroke-width="1.3">{frame}{"".join(lines)}</svg>'
        f"<div>{' '.join(names)}</div><small>{_escaped(ends)}</small></figure>"
    )


def _escaped(text: str) -> str:
    return escape(harmless(text))


def _scaled(values: np.ndarray, low: float, high: float, size: int) -> np.ndarray:
    """Return values from `low` to `high` as pixels; those that are all equal in the middle."""
    share = (values - low) / (high - low) if high > low else np.full(np.shape(values), 0.5)
    return _MARGIN + np.where(np.isfinite(values), share, np.nan) * (size - 2 * _MARGIN)


def beside(*parts: str) -> str:
    """Return pieces of HTML side by side, or below each other where the page is narrow."""
    style = "display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1.5em"
    return f'<div style="{style}">{"".join(parts)}</div>'


def megabytes(*arrays: AnyArray | None) -> str:
    """Return the memory that arrays take, e.g. `12.3 MB`."""
    size = sum(array.nbytes for array in arrays if array is not None) / 1e6
    if size < 0.1:
        return "less than 0.1 MB"
    return f"{size:.3g} MB" if size < 1000 else f"{size:,.0f} MB"
