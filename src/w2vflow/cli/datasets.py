"""`w2vflow datasets`: what can be had by name."""

import textwrap
from dataclasses import dataclass

__all__ = ["Datasets"]


@dataclass(frozen=True)
class Datasets:
    """List statistics and corpora by name, with size, licence, and whether they are at hand."""

    def run(self) -> None:
        """Print the list."""
        from w2vflow.corpus.catalog import entries

        print(f"{'name':<18}{'kind':<12}{'MB':>8}  {'licence':<22}{'at hand':<9}what it is")
        for entry in entries():
            size = "?" if entry.size is None else f"{entry.size / 1e6:.1f}"
            at_hand = "yes" if entry.at_hand else "no"
            text = textwrap.shorten(entry.description, 60, placeholder=" ...")
            print(f"{entry.name:<18}{entry.kind:<12}{size:>8}  {entry.licence:<22}{at_hand:<9}{text}")
        print("wikipedia-LANGUAGE-DATE names a dump, such as wikipedia-simple-20260901.")
