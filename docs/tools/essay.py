"""The numbers of the essay (docs/index.md), computed from the counts that come with the package.

    python docs/tools/essay.py

prints every piece of the essay that holds a number or a list of words that was computed. A test asks that the
essay has all of them, and no other digit.
"""

import jax
import numpy as np

import w2vflow as wf

__all__ = ["pieces"]

PAIRS = {
    "nation": "france french, germany german, england english, italy italian, spain spanish, russia russian, "
    "china chinese, japan japanese, greece greek",
    "plural": "year years, city cities, country countries, state states, game games, group groups, "
    "language languages, system systems",
    "family": "he she, his her, king queen, son daughter, father mother, brother sister, man woman, "
    "men women",
}


def pieces() -> list[str]:
    """Return the pieces of the essay's text that were computed."""
    jax.config.update("jax_enable_x64", True)
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(2000)
    problem = wf.Problem.from_statistics(stats)
    spectrum = wf.leading_eigenpairs(problem, 200)
    return [
        f"the {stats.metadata['corpus_documents']:,} articles",
        *_matrix(np.asarray(problem.target()), stats.words, np.asarray(spectrum.eigenvalues)),
        *_concepts(spectrum, stats.words),
        *_steps(problem, spectrum),
        *_neighbours(spectrum, stats.words),
        *_analogies(spectrum, stats.words),
    ]


def _matrix(M: np.ndarray, words: tuple[str, ...], eigenvalues: np.ndarray) -> list[str]:
    row = {word: place for place, word in enumerate(words)}
    of_pairs = [
        f"*{one}* and *{other}* {M[row[one], row[other]]:.2f}".replace("-", "−")
        for one, other in [("she", "her"), ("river", "lake"), ("war", "army"), ("war", "music")]
    ]
    share = 100 * np.sum(eigenvalues[:8] ** 2) / np.sum(M**2)
    return [
        *of_pairs,
        f"a table of {len(words):,} by {len(words):,}",
        f"{100 * np.mean(M == -2):.1f}% of the pairs never met",
        f"the first 8 make up {share:.0f}% of the whole table",
    ]


def _concepts(spectrum: wf.Spectrum, words: tuple[str, ...]) -> list[str]:
    lines = []
    for k, feature in enumerate(wf.label_features(spectrum.leading(6), words), 1):
        # Eigenvectors have no sign: the end whose first word is more frequent stands first.
        ends = sorted(feature.name.split(" / "), key=lambda end: words.index(end.split(", ")[0]))
        lines.append(f"| {k} | {feature.eigenvalue:.0f} | {' | '.join(ends)} |")
    return lines


def _steps(problem: wf.Problem, spectrum: wf.Spectrum) -> list[str]:
    """When the first 8 concepts of 16 dimensions come: foretold, and along the flow."""
    times = {}
    for scale in (1e-2, 1e-4, 1e-8):
        W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim=16, scale=scale)
        times[scale] = np.asarray(wf.predict_step_times(problem, W0))[:8]
        if scale == 1e-4:
            flow = wf.solve_flow(problem, W0, np.linspace(0, 1.3 * times[scale][-1], 100))
            measured = np.asarray(wf.measure_step_times(flow, spectrum.leading(8)))
    later = times[1e-4] / times[1e-4][0]
    off = 100 * np.abs(times[1e-4] / measured - 1).max()
    return [
        f"The second concept comes {later[1]:.1f} times as late as the first, the fourth {later[3]:.1f} "
        f"times, the eighth {later[7]:.1f} times.",
        f"off by at most {off:.1f}%",
        f"ten thousand times smaller makes the first step {times[1e-8][0] / times[1e-4][0]:.1f} times "
        "as late",
    ]


def _neighbours(spectrum: wf.Spectrum, words: tuple[str, ...]) -> list[str]:
    lines = []
    for k in (1, 3, 8, 30, 200):
        W = np.asarray(spectrum.eigenvectors[:, :k]) * np.sqrt(np.asarray(spectrum.eigenvalues[:k]))
        W /= np.linalg.norm(W, axis=1, keepdims=True)
        near = []
        for word in ("film", "river", "king"):
            order = np.argsort(-(W @ W[words.index(word)]), kind="stable")
            near.append(", ".join([words[i] for i in order if words[i] != word][:3]))
        # With one concept all words at one end have one direction: whoever is first is by chance.
        cells = ["any word of its end"] * 3 if k == 1 else near
        lines.append(f"| {k} | {' | '.join(cells)} |")
    return lines


def _analogies(spectrum: wf.Spectrum, words: tuple[str, ...]) -> list[str]:
    known = {kind: [tuple(pair.split()) for pair in pairs.split(", ")] for kind, pairs in PAIRS.items()}
    known = {kind: [pair for pair in pairs if set(pair) <= set(words)] for kind, pairs in known.items()}
    questions = wf.semantics.pairwise_questions(known)
    lines = []
    for k in (1, 4, 8, 16, 32, 64):
        W = np.asarray(spectrum.eigenvectors[:, :k]) * np.sqrt(np.asarray(spectrum.eigenvalues[:k]))
        by_kind = wf.evaluate_analogies(W, words, questions).by_category
        lines.append(f"| {k} | {' | '.join(f'{100 * by_kind[kind].accuracy:.0f}%' for kind in PAIRS)} |")
    return lines


if __name__ == "__main__":
    print(*pieces(), sep="\n")
