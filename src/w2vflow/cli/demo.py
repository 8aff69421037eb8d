"""`w2vflow demo`: theory, flow and SGD on one time axis."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

import w2vflow as wf
from w2vflow.cli.console import Settings
from w2vflow.cli.run import Extras, check_film, run_into
from w2vflow.experiments import Experiment

__all__ = ["Demo"]


@dataclass(frozen=True)
class Demo:
    """Show on counts of Wikipedia that word2vec learns one concept at a time, as predicted.

    Compares the closed form, the gradient flow and an ensemble of SGD runs, prints a table of the
    concepts, and writes settings, numbers, figures and an interactive page into a folder. At its defaults
    it takes about a minute on two cores:

        w2vflow demo

    The same of your own text: `w2vflow run my-text.txt`.
    """

    experiment: tyro.conf.OmitArgPrefixes[Experiment] = field(default_factory=Experiment)
    out: Path = Path("runs/demo")
    """Folder for the results; runs/demo-2 if that holds another run."""
    extras: tyro.conf.OmitArgPrefixes[Extras] = field(
        default_factory=lambda: Extras(figures=True, verify=True)
    )
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Run, write the results and print the table of concepts."""
        console = self.output.console()
        if self.output.dry_run:
            plan = wf.experiments.plan_experiment(self.experiment, verified=self.extras.verify)
            return console.plan(plan, self.out)
        check_film(self.experiment, self.extras)
        console.folder(self.out)
        stats = wf.load_statistics(self.experiment.statistics)
        run_into(self.experiment, stats, self.out, self.extras, console)
