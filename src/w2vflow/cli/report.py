"""`w2vflow report`: the page of a run, made anew."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

import w2vflow as wf
from w2vflow.cli.console import OptionalPath, Output
from w2vflow.cli.run import source_name, write_page
from w2vflow.support.checks import argument_error

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Make the interactive page of a run from its folder, without running anything.

    One file that needs no network: words moving in time, loss and singular values, predicted beside
    measured, and the settings. Runs make it themselves; this makes it of runs that others saved:

        w2vflow report runs/demo --out demo.html
    """

    folder: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FOLDER")]]
    """Folder of `w2vflow run` or `w2vflow demo`."""
    out: OptionalPath = None
    """Page to write, ending in .html; report.html of the folder by default."""
    output: tyro.conf.OmitArgPrefixes[Output] = field(default_factory=Output)

    def run(self) -> None:
        """Read the folder and write the page."""
        console = self.output.console()
        page = self.out or self.folder / "report.html"
        if page.suffix != ".html":
            raise argument_error("out", "a file name ending in .html", page)
        saved = wf.experiments.load_run(self.folder)
        if saved.cloud is None:
            expected, got = "that of a run which kept positions of words", f"{self.folder}, which kept none"
            options = f"--config {self.folder}/config.json --cloud-words 600 --out {self.folder}"
            raise argument_error("folder", expected, got, f"Rerun it: `w2vflow run {options}`.")
        console.folder(page.parent)
        title = source_name(str(saved.config.get("statistics", self.folder)))
        write_page(page, saved, title)
        size = page.stat().st_size
        record = {"folder": str(self.folder), "page": str(page), "bytes": size}
        console.result([f"Open {page} ({size / 1e6:.1f} MB) in a browser."], record)
