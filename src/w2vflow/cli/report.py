"""`w2vflow report`: the page of a run, made anew."""

import tempfile
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
    """Make the interactive page of a run from its folder, without running anything; of two, side by side.

    One file that needs no network: words moving in time, loss and singular values, predicted beside
    measured, and the settings. Runs make it themselves; this makes it of runs that others saved:

        w2vflow report runs/demo --out demo.html
        w2vflow report runs/demo runs/mine --out both.html
    """

    folders: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FOLDER ...")]]
    """Folder of `w2vflow run` or `w2vflow demo`, or two."""
    out: OptionalPath = None
    """Page to write, ending in .html; report.html of the folder by default."""
    output: tyro.conf.OmitArgPrefixes[Output] = field(default_factory=Output)

    def run(self) -> None:
        """Read the folder and write the page."""
        console = self.output.console()
        if len(self.folders) not in (1, 2):
            raise argument_error("folders", "one folder of a run, or two", f"{len(self.folders)}")
        if len(self.folders) == 2 and self.out is None:
            raise argument_error("out", "a file name for the page of two runs", "none")
        page = self.out or self.folders[0] / "report.html"
        if page.suffix != ".html":
            raise argument_error("out", "a file name ending in .html", page)
        saved = [_run_with_cloud(folder) for folder in self.folders]
        console.folder(page.parent)
        if len(saved) == 1:
            write_page(page, saved[0], _name(saved[0]))
        else:
            with tempfile.TemporaryDirectory() as scratch:
                pages = [Path(scratch) / f"{number}.html" for number in range(2)]
                for path, run in zip(pages, saved, strict=True):
                    write_page(path, run, _name(run))
                wf.report.write_pair(page, *pages, title=" and ".join(_name(run) for run in saved))
        size = page.stat().st_size
        names = [str(folder) for folder in self.folders]
        record = {"folder" if len(names) == 1 else "folders": names[0] if len(names) == 1 else names}
        lines = [f"Open {page} ({size / 1e6:.1f} MB) in a browser."]
        console.result(lines, {**record, "page": str(page), "bytes": size})


def _run_with_cloud(folder: Path) -> "wf.experiments.SavedRun":
    saved = wf.experiments.load_run(folder)
    if saved.cloud is None:
        expected, got = "that of a run which kept positions of words", f"{folder}, which kept none"
        options = f"--config {folder}/config.json --cloud-words 600 --out {folder}"
        raise argument_error("folder", expected, got, f"Rerun it: `w2vflow run {options}`.")
    return saved


def _name(saved: "wf.experiments.SavedRun") -> str:
    return source_name(str(saved.config.get("statistics", saved.folder)))
