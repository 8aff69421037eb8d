"""Rows of the table: interventions on the corpus and on training, on Wikipedia.

python validation/interventions.py [--small]
"""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
import optax
from table import Points, Row, run_part

import w2vflow as wf
from w2vflow.counts import reweigh_words
from w2vflow.theory import concept_changes, schedule_phases


@dataclass(frozen=True)
class Size:
    """How large the models are.

    Attributes:
        words: of the vocabulary.
        dim: embedding dimension.
        theme: how many words of one theme gain weight.
        removed: how many of them are taken out.
    """

    words: int = 2000
    dim: int = 16
    theme: int = 100
    removed: int = 20


SMALL = Size(60, 8, 10, 4)
# Concepts whose step times are followed when words are removed.
FOLLOWED = 6


def rows(size: Size) -> Iterator[Row]:
    """Yield the rows, as they are computed."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(size.words)
    problem = wf.Problem.from_statistics(stats)
    basis = wf.leading_eigenpairs(problem, problem.vocab_size)
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, size.dim, 1e-2)
    # The words at one end of the third concept, more and more rare: a corpus with more of its theme.
    theme = wf.label_features(basis.leading(3), stats.words, n=size.theme)[2].positive
    heavy = wf.Problem.from_statistics(reweigh_words(stats, dict.fromkeys(theme, 20.0)))
    yield switch(problem, heavy, basis, W0, len(theme))
    yield decay(problem, basis, W0)
    yield schedule(problem, basis, W0)
    yield from removal(stats, problem, basis, theme[: size.removed], size.dim)


def conditions_of(W0: jax.Array) -> str:
    """Return vocabulary and dimension as rows show them."""
    return f"V = {W0.shape[0]:,}, d = {W0.shape[1]}"


def switch(problem: wf.Problem, heavy: wf.Problem, basis: wf.Spectrum, W0: jax.Array, theme: int) -> Row:
    """Another corpus at a quarter of the steps, between two of them."""
    steps = wf.predict_step_times(problem, W0, spectrum=basis)
    dim = len(steps)
    last = dim // 4
    moment = (steps[last - 1] + steps[last]) / 2
    parts = np.linspace(0, moment, 41)[1:], np.linspace(0, 2 * steps[-1] - moment, 81)[1:]
    predicted = wf.predict_phases(
        [wf.Phase(problem, parts[0], spectrum=basis), wf.Phase(heavy, parts[1])], W0
    )
    one = wf.solve_flow(problem, W0, parts[0], spectrum=basis, recording=wf.Recording(save_embeddings=True))
    two = wf.solve_flow(heavy, one.embeddings[-1], parts[1])
    flow = np.concatenate([one.singular_values, two.singular_values])
    error = np.abs(predicted.singular_values - flow).max() / flow.max()
    stayed = wf.predict(problem, W0, predicted.ts, spectrum=basis).singular_values
    return Row(
        "trajectory when the corpus changes in mid-training, `predict_phases`",
        f"{conditions_of(W0)}, scale 1e-2; {theme} words of one theme count 20 times from between steps "
        f"{last} and {last + 1} on (`reweigh_words`)",
        f"s_1 .. s_{dim} at 120 times; at the end s_1 = {predicted.singular_values[-1, 0]:.4f}, "
        f"s_{dim} = {predicted.singular_values[-1, -1]:.4f} "
        f"(without the change {stayed[-1, 0]:.4f} and {stayed[-1, -1]:.4f})",
        f"flow: {flow[-1, 0]:.4f}, {flow[-1, -1]:.4f}",
        f"{error:.1e} of the largest s_k, at most, any k and time",
        "with leading eigenpairs alone the rest is carried over approximately",
        subject="Another corpus in mid-training",
        short=f"after step {last}",
        off=f"{error:.0e}",
        points=(Points.of("singular value", predicted.singular_values, flow),),
    )


def decay(problem: wf.Problem, basis: wf.Spectrum, W0: jax.Array) -> Row:
    """Weight decay halfway between two eigenvalues: what lies below is never learned."""
    k = W0.shape[1] // 2
    kappa = float(basis.eigenvalues[k - 1 : k + 1].mean())
    steps = wf.predict_step_times(problem, W0, spectrum=basis)
    ts = np.linspace(0, 40 * steps[-1], 121)[1:]
    predicted = wf.predict(problem, W0, ts, spectrum=basis, weight_decay=kappa).singular_values
    flow = wf.solve_flow(problem, W0, ts, spectrum=basis, weight_decay=kappa).singular_values
    return Row(
        "trajectory under weight decay, `predict(weight_decay=)`",
        f"{conditions_of(W0)}, scale 1e-2; decay {kappa:.4g}, between lambda_{k} and lambda_{k + 1}",
        f"s_{k} = {predicted[-1, k - 1]:.4f}, s_{k + 1} = {predicted[-1, k]:.1e} at the end; "
        f"limits {np.sqrt(basis.eigenvalues[k - 1] - kappa):.4f} and 0",
        f"flow: {flow[-1, k - 1]:.4f}, {flow[-1, k]:.1e}",
        f"{np.abs(predicted - flow).max() / flow.max():.1e} of the largest s_k, any k and time",
        "exact; an optimizer that decays weights by itself (AdamW) follows another law",
        subject="Weight decay",
        short=f"concepts from {k + 1} on die out",
        off=f"{np.abs(predicted - flow).max() / flow.max():.0e}",
        points=(Points.of("singular value", predicted, flow),),
    )


def schedule(problem: wf.Problem, basis: wf.Spectrum, W0: jax.Array) -> Row:
    """word2vec's linear schedule, by descent."""
    steps = wf.predict_step_times(problem, W0, spectrum=basis)
    limit, half = wf.stability_limit(problem), len(steps) // 2
    found = {}
    for share in (0.4, 0.2):
        largest = share * limit
        count = round(2.6 * steps[-1] / largest)
        rate = optax.linear_schedule(largest, 1e-4 * largest, count)
        marks = np.unique(np.linspace(0, 0.97 * count, 81).round().astype(int)[1:])
        phases = schedule_phases(problem, rate, marks, pieces=40, spectrum=basis)
        predicted = wf.predict_phases(phases, W0)
        run = wf.run_gd(problem, W0, predicted.ts, learning_rate=rate)
        flow = wf.predict(problem, W0, predicted.ts, spectrum=basis)
        size = run.singular_values.max()
        found[share] = [
            np.abs(p.singular_values - run.singular_values).max() / size for p in (predicted, flow)
        ]
        times = [wf.measure_step_times(t, basis)[np.array([0, half - 1])] for t in (predicted, run)]
        drawn = Points.of("singular value", predicted.singular_values, run.singular_values)
    return Row(
        "descent under a schedule, `schedule_phases` and `predict_phases`",
        f"{conditions_of(W0)}, scale 1e-2; linear to 0 from {largest:.3g}, a fifth of the stability limit, "
        f"in {count} steps; 40 phases",
        f"steps 1 and {half} at {times[0][0]:.5g} and {times[0][1]:.5g}",
        f"full-batch descent: {times[1][0]:.5g} and {times[1][1]:.5g}",
        f"{found[0.2][0]:.1e} of the largest s_k, any k and time (the flow: {found[0.2][1]:.1e})",
        f"second order in the step size: {found[0.4][0]:.1e} at twice the rate (the flow: "
        f"{found[0.4][1]:.1e})",
        subject="Falling learning rate",
        short="linear, descent",
        off=f"{found[0.2][0]:.1%}",
        points=(drawn,),
    )


def removal(
    stats: wf.CooccurrenceStatistics,
    problem: wf.Problem,
    basis: wf.Spectrum,
    removed: tuple[str, ...],
    dim: int,
) -> Iterator[Row]:
    """Words taken out of the vocabulary: closed form, first order, and the flow of both problems."""
    after = wf.Problem.from_statistics(reweigh_words(stats, dict.fromkeys(removed, 0.0)))
    changes = concept_changes(problem, after, FOLLOWED, dim=dim, scale=1e-8)
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim, 1e-8))
    left = np.flatnonzero(~np.isin(stats.words, removed))
    basis_after = wf.leading_eigenpairs(after, after.vocab_size)
    predicted, measured = [], []
    for which, spectrum, start in ((problem, basis, W0), (after, basis_after, W0[left])):
        times = wf.predict_step_times(which, start, spectrum=spectrum)
        flow = wf.solve_flow(
            which, start, np.linspace(0, 1.2 * times[FOLLOWED - 1], 301)[1:], spectrum=spectrum
        )
        predicted.append(times[:FOLLOWED])
        measured.append(wf.measure_step_times(flow, spectrum)[:FOLLOWED])
    kept = changes.places[:FOLLOWED] == np.arange(FOLLOWED)
    shift, seen = predicted[1] - predicted[0], measured[1] - measured[0]
    most = int(np.argmax(np.where(kept, np.abs(seen), 0)))
    relative = shift / predicted[0], seen / measured[0]
    yield Row(
        "change of step times when words are removed, `predict_step_times` of both problems",
        f"{conditions_of(W0)}, scale 1e-8; the {len(removed)} words most at one end of concept 3 removed",
        f"concepts {', '.join(str(k + 1) for k in np.flatnonzero(kept))} keep their places; concept "
        f"{most + 1} {100 * relative[0][most]:+.2f}% in time",
        f"flow of both problems: {100 * relative[1][most]:+.2f}%",
        f"{100 * np.abs(shift / seen - 1)[most]:.2g}% of its change; all of these to "
        f"{np.abs((shift - seen) / measured[0])[kept].max():.1e} of their times",
        "modes closer than their width; words deleted from the text let windows reach further: recount",
        subject="Step times, words removed",
        short=f"{len(removed)} words of one theme",
        off=f"{100 * np.abs(shift / seen - 1)[most]:.2g}%",
        points=(Points.of("change of a step time, %", *(100 * each[kept] for each in relative)),),
    )
    true = changes.eigenvalues_after - changes.eigenvalues
    first = changes.eigenvalues_first_order - changes.eigenvalues
    off = np.abs(first / true - 1)
    yield Row(
        "change of eigenvalues when words are removed, to first order, `concept_changes`",
        "as above",
        f"concept {most + 1}: {first[most]:+.4g} on {changes.eigenvalues[most]:.4g}",
        f"{true[most]:+.4g}, computed anew",
        f"{100 * off[most]:.2g}% of its change; of others up to {100 * off[kept].max():.2g}%",
        "right to the square of the change over the gap to the next eigenvalue; use the exact ones beside it",
        subject="Eigenvalues, words removed",
        short="to first order",
        off=f"{off[most]:.1%}",
        points=(Points.of("change of an eigenvalue", first[kept], true[kept]),),
    )


if __name__ == "__main__":
    run_part("interventions", __doc__, rows, Size(), SMALL)
