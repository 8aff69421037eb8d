"""The page of predictions, docs/predictions.md: every row computed anew, on Wikipedia, by one command.

    python validation/predictions.py              # everything; under an hour on two cores
    python validation/predictions.py ladder       # some parts anew, the others from the last time
    python validation/predictions.py --small [PART ...] [--out FOLDER]   # few words, to see that all works

Each part is a script of its own beside this one, runs in a process of its own and leaves its rows in
`runs/validation/`. `uncertainty` needs the text of the corpus, `relations` and `emergence` Google's
questions: `W2VFLOW_TEST_DATA` names the folder of both. Beside the page are its pictures, in `pictures`, and
all rows in full, in `predictions`. At small size all of them, of the parts that there are, lie in
runs/validation/small or FOLDER.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from page import Part, write
from table import kept_rows, load_rows, read_options

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PARTS = {
    "steps": Part(
        "When concepts are learned",
        """\
`predict_step_times` says when each concept is learned from given weights, `step_time_law` the mean over
seeds, `predict` the whole trajectory. From small weights steps are right to 0.01% where they are apart, to
about 1% where they overlap. The last concepts, from larger weights, are up to 15% off, as
`estimate_step_time_errors` says in advance; the power law of the loss is a guide only.""",
        """\
- `fit_progress` on exact trajectories (d = 16, scale 1e-2): times 1.5% off in the median, ≤6%; given the
  start's own step times 0.1%, ≤5%; concepts right to 1, even under twofold noise.
- The same on gensim's vectors: [what was learned, in words](meaning.md); not centred, similarity 0.39 and
  0.43.""",
    ),
    "untied": Part(
        "Two matrices",
        """\
With vectors of words and of contexts the most negative eigenvalue is learned first, as two opposed cones.
`predict` is exact from a balanced start and nearly so from a small random one; SGD adds the noise of its
batches. Under word2vec's own weights and loss only the first growth is known, that of the leading pair of
`A - B`.""",
        """\
- Random starts of 8 to 20 words, scales 1e-2, 0.1, 0.5: strengths 4e-7, 2e-3, 0.1 of λ₁ off at most;
  `W C^T` by 5% of the imbalance, half of it at most.""",
    ),
    "discrete": Part(
        "Finite steps and minibatches",
        """\
`predict(learning_rate=)` follows descent to second order in step size; beyond `stability_limit` it raises.
`stationary_noise` and `step_time_noise` say what minibatches add, `recommended_learning_rate` which rate
keeps both small. The noise of the last concepts, and of close ones, comes out too large.""",
        """\
- `step_time_noise` while `sd(ln R_kk^2)` is below 0.3: within 10–20% for concepts apart; 20–40% too large
  for close ones, five times for the last of 16. Directions that turn out of the learned plane: noise
  changed by ≤10%.""",
    ),
    "ladder": Part(
        "Any weights, any loss: the ladder",
        """\
`predict_ladder` follows any weights and any loss from plateau to plateau. Conditions end in words and
scale; errors are those of the first step and the largest, those of losses in heights of a step. Steps that
overlap are carried jointly: right to 1%, at scale 1e-2 to 3%; untied to 4%.""",
    ),
    "uncertainty": Part(
        "A finite corpus",
        """\
`changed_spectrum` says what removing 100 articles does to steps, `document_influence` the same to first
order; `document_uncertainty` what a finite corpus leaves open, bias and bar. Changes are right to less
than 1%, bars to 8% on average. Counts alone (`poisson_uncertainty`) give a lower bound, several
times too little, `rare_pair_bias` an estimate for the lowest eigenvalue only, and concepts that nearly meet
turn more than predicted.""",
    ),
    "interventions": Part(
        "Interventions",
        """\
`predict_phases` follows another corpus, weight decay and, by `schedule_phases`, a falling learning rate;
`concept_changes` says what removing words does. The first two are exact, the third of second order in the
step size. To first order changes of eigenvalues are some per cent off, small ones 20%.""",
    ),
    "solvable": Part(
        "Corpora solved by hand, Muon",
        """\
`binary_attributes`, `ring` and `interval` have eigenvalues by formula, exact to rounding; `muon_step_times`
says when Muon learns concepts. It is exact from an aligned start; from a random one the neighbours of the
last concept are late.""",
    ),
    "relations": Part(
        "Relations as directions",
        """\
`study_relations` predicts from means and variances of single axes how far the pairs of a relation share one
direction: the largest eigenvalue to some per cent, the cosine to some 0.1. The noise has directions of its
own, most in geography, and few pairs have no sharp threshold, so that random pairings raise false alarms.""",
        """\
- 10,000 words, 5 to 36 pairs: largest eigenvalue 2.5%, ≤7%, overlap 0.02, ≤0.07; unseen pairs 4%, ≤9%,
  0.03, ≤0.08; steps taken as even 7%, ≤18%, 0.09, ≤0.21; edge 16% too low, half in geography; false alarms
  4%, ≤10%.
- `effective_dimension` of Gaussian rows, variances `k^-a` (a = 0, 0.6, 1), too large by 5, 11, 27% at N =
  10 (spread 27, 34, 54%), 0.4, 2, 8% at 30, 0.05, 0.8, 2.6% at 100; its error by 30–70% at 10, 15–40% at
  30.
- `predict_outlier`, the same, N = 10 to 100: edge above the mean of the largest eigenvalue by 3–7% (a = 0),
  20–40% (1), 20–60% (1.5). At 1.5 times the threshold location within 3%, overlap 0.06 (a = 1.5: 10%,
  0.12); at twice 2%, 0.03 (5%, 0.07); at the threshold overlap 0.1–0.5, not 0.
- `uneven_lengths` of 0.1 (0.3): 0.10±0.03 (0.31±0.11) at N = 30, 0.11±0.07 (0.35±0.25) at 10, 0.12±0.13
  (0.26±0.25) at 5.""",
    ),
    "emergence": Part(
        "When relations emerge",
        """\
`emergence_over_time` says from eigenpairs alone when half of a relation's final accuracy is reached,
`emergence_along` from embeddings in closed form. Both are within a few per cent of the flow and of descent.
SGD in small batches blurs it; where a curve is flat, the time may jump.""",
        """\
- 10,000 words, d = 200, eigenpairs alone: accuracies 1.4% off rms, ≤9%; half-rises 1.1%, ≤8%.
- Solved before the first concept is learned (`binary_attributes`, 32 words): 1.1 to 1.9 times too late.
- Noise taken for a direction: 12% with 5 pairs and one concept, ≤2% from 16 pairs and 20 directions.""",
    ),
    "precision": Part(
        "float32 beside float64",
        """\
Results have the precision of what goes in. How far float32, all that a TPU has, is off from the same
start; the flow in the eigenbasis.""",
    ),
}

INTRODUCTION = """# Predictions beside what was measured

Every prediction of `w2vflow.theory` beside gradient flow, descent, SGD or a recount, by default on the
2,000 most frequent words of 15,044 articles of Wikipedia (`enwiki15k`). In pictures, what lies on the line is
predicted exactly; bars are one standard deviation. In tables, many numbers stand as their range, and `≤`
marks the largest error. Rows in full, as CSV, have functions, conditions and limits. All is written by

```sh
W2VFLOW_TEST_DATA=FOLDER_OF_THE_CORPUS python validation/predictions.py
```
"""

OF_SMALL = "\nHere with `--small`, of few words: the figures mean nothing.\n"


def main() -> None:
    """Run the parts named, or all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    asked = read_options(parser, DOCS)
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        sys.exit(f"There is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
    computed = asked.parts or [*PARTS]
    lacking = [part for part in PARTS if part not in computed and not kept_rows(part).exists()]
    if lacking and not asked.small:
        sys.exit(f"The page needs all parts, and of {', '.join(lacking)} no rows are kept: compute them too.")
    for part in computed:
        print(f"== {part}", flush=True)
        options = ["--small"] if asked.small else []
        subprocess.run([sys.executable, str(HERE / f"{part}.py"), *options], check=True)
    there = [part for part in PARTS if not asked.small or kept_rows(part, small=True).exists()]
    rows = {part: load_rows(part, small=asked.small) for part in there}
    introduction = INTRODUCTION + OF_SMALL if asked.small else INTRODUCTION
    page = write(asked.out, PARTS, rows, introduction)
    print(f"{sum(map(len, rows.values()))} rows in {page}")


if __name__ == "__main__":
    main()
