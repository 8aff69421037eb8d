"""`w2vflow page`: the page in which one pastes a text."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

import w2vflow as wf
from w2vflow.cli.console import Output
from w2vflow.support.checks import argument_error

__all__ = ["Page"]


@dataclass(frozen=True)
class Page:
    """Write the page in which one pastes or drops a text, and sees what word2vec learns from it.

    One HTML file for any browser, with no installation and no network: the text is counted, its concepts are
    found and its training is computed in the page, and the text stays there. Give the file to a class, or
    put it on a web site:

        w2vflow page --out word2vec.html
    """

    out: Path = Path("word2vec.html")
    """Page to write, ending in .html."""
    output: tyro.conf.OmitArgPrefixes[Output] = field(default_factory=Output)

    def run(self) -> None:
        """Write the page."""
        console = self.output.console()
        if self.out.suffix != ".html":
            raise argument_error("out", "a file name ending in .html", self.out)
        console.folder(self.out.parent)
        wf.report.write_text_page(self.out)
        size = self.out.stat().st_size
        record = {"page": str(self.out), "bytes": size}
        console.result([f"Open {self.out} ({size / 1e3:.0f} kB) in a browser, and paste a text."], record)
