"""Words as a hostile or unlucky corpus has them."""

import re

import numpy as np

import w2vflow as wf

# What no terminal, and no reader of its output, is to get: escapes, bells, returns, and what turns the line.
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

TERMINAL = [
    "\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\x9dtitle\x9c", "ok\rowned", "back\x08space", "\x7f", "\x00",
    "\u202egnp.exe", "\u2066in\u2069", "\u200frtl", "\u061carabic", "para\u2029graph", "next\x85line",
    "\x0b\x0c",
]  # fmt: skip

# What means something to TeX, to matplotlib, to spreadsheets, or to a page.
MARKUP = [
    "$a$", "$\\frac", "$", "$$", "\\", "\\alpha", "$a_b^c$", "_x_", "^", "%", "100%", "{", "}", "#1", "&amp;",
    "~", "_hidden", "=1+2", "+1", "-1", "@SUM(A1)", "'quoted", '"', "</script><script>alert(1)</script>",
    "<!--",
    "<img src=x onerror=alert(1)>", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301",
    "מילה", "字", "w" * 300, "tab\tbed",
]  # fmt: skip


def statistics_of(words):
    """Return counts in which the words have concepts to learn, whatever they are."""
    rng = np.random.default_rng(0)
    size = len(words)
    topics = rng.random((size, 3)) ** 6 + 0.01
    counts = np.rint(200 * topics @ topics.T + 1).astype(int)
    return wf.CooccurrenceStatistics(words, counts, counts.sum(axis=1))
