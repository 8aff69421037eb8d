"""`w2vflow datasets`: texts and statistics by name."""

import textwrap
from dataclasses import dataclass, field

import tyro

import w2vflow as wf
from w2vflow.cli.console import Output

__all__ = ["Datasets"]


@dataclass(frozen=True)
class Datasets:
    """List statistics and corpora by name, with size, licence, and whether they are at hand.

    A name stands wherever a text or its counts do; a corpus is fetched when it is first used:

        w2vflow count text8 --vocab-size 10000 --out text8.npz
    """

    output: tyro.conf.OmitArgPrefixes[Output] = field(default_factory=Output)

    def run(self) -> None:
        """Print the list."""
        listed = wf.corpus.catalog_entries()
        lines = [f"{'name':<18}{'kind':<12}{'MB':>8}  {'licence':<22}{'at hand':<9}what it is"]
        for entry in listed:
            size = "?" if entry.size is None else f"{entry.size / 1e6:.1f}"
            at_hand = "yes" if entry.at_hand else "no"
            text = textwrap.shorten(entry.description, 60, placeholder=" ...")
            lines.append(f"{entry.name:<18}{entry.kind:<12}{size:>8}  {entry.licence:<22}{at_hand:<9}{text}")
        lines.append("wikipedia-LANGUAGE-DATE names a dump, such as wikipedia-simple-20260901.")
        self.output.console().result(lines, {"datasets": [entry._asdict() for entry in listed]})
