"""`w2vflow run ablation`: the cost of each approximation of the theory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

import w2vflow as wf
from w2vflow.cli.console import Settings, number, on_terminal, percent, set_up_jax
from w2vflow.experiments import Ablation

__all__ = ["RunAblation"]


@dataclass(frozen=True)
class RunAblation:
    """Measure what the approximations of the theory cost, each lifted alone and both together.

    Closed form, gradient flow and SGD of the quartic and the logistic loss, at constant G and with
    word2vec's own weights: four cells. At its defaults it takes about ten minutes on two cores:

        w2vflow run ablation --out runs/ablation
    """

    ablation: tyro.conf.OmitArgPrefixes[Ablation] = field(default_factory=Ablation)
    out: Path = Path("runs/ablation")
    """Folder for the results."""
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Run, write the results and print what each cell differs by."""
        console = self.output.console()
        if self.output.dry_run:
            return console.plan(wf.experiments.plan_ablation(self.ablation), self.out)
        folder = console.folder(self.out)
        set_up_jax()
        run = wf.experiments.run_ablation(self.ablation, log=console, progress=on_terminal())
        console("figures and files")
        paths = [*wf.experiments.write_ablation(run, folder), *wf.experiments.draw_ablation(run, folder)]
        console.result(["", *_cells(run)], {"folder": str(folder), **run.summary}, paths)


def _cells(run: "wf.experiments.AblationRun") -> list[str]:
    """Return the lines that tell, cell by cell, how far flow and SGD are from the closed form."""
    cells = run.summary["cells"]
    first = next(iter(cells.values()))["measured"]
    lines = [
        f"Against the closed form for the M* of each cell, first {first} concepts; flow of one seed, SGD of",
        f"{run.ablation.seeds} seeds on average. The clock is the median of t / t predicted: one for all.",
    ]
    for loss_and_weights, cell in cells.items():
        ipr = cell["eigenvalue_times_ipr"][:first]
        flow, sgd = (_measures(cell[source], first) for source in ("flow", "sgd"))
        lines += [
            "",
            "{} loss, {} weights".format(*loss_and_weights.split("-")),
            f"  {'':<44}{'flow':<18}SGD",
            *(f"  {label:<44}{one:<18}{other}" for (label, one), (_, other) in zip(flow, sgd, strict=True)),
            *(
                f"  t / t predicted of each concept, {name}: "
                + " ".join("-" if r is None else f"{r:.2f}" for r in cell[source]["half_of_lambda"]["ratios"])
                for source, name in (("flow", "flow"), ("sgd", "SGD"))
            ),
            f"  lambda IPR {min(ipr):.2f} .. {max(ipr):.2f}; SGD in {cell['steps']:,} steps of "
            f"{cell['batch_size']:,} pairs, stability limit {cell['stability_limit']:.3g}",
        ]
    return lines


def _measures(found: dict[str, Any], first: int) -> list[tuple[str, str]]:
    """Return labels and values of what is shown of the flow or of SGD in a cell."""
    shown = []
    for what, key in (("half of lambda", "half_of_lambda"), ("half of its end", "half_of_own_end")):
        clock = found[key]
        of = "" if clock["reached"] == first else f", {clock['reached']} of {first}"
        mean, largest = (percent(clock[f"{size}_error_on_own_clock"]) for size in ("mean", "largest"))
        shown += [
            (f"step time, s^2 at {what}: off by", percent(clock["mean_error"]) + of),
            ("  clock", number(clock["clock"])),
            ("  off on that clock (largest)", f"{mean} ({largest})"),
        ]
    final, halfway = found["final_over_lambda"][:first], max(1, first // 2)
    shown.append(("final s^2 / lambda", f"{min(final):.3f} .. {max(final):.3f}"))
    for whose, key in (("its own M*", "overlap_with_own"), ("the M* of Uniform", "overlap_with_Uniform")):
        label = f"overlap with {whose}, first {halfway} / {first}"
        shown.append((label, f"{found[key][halfway - 1]:.3f} / {found[key][first - 1]:.3f}"))
    return shown
