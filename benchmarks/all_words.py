"""Every word of a corpus: vectors, leading concepts and the exact trajectory, without a matrix of pairs.

    python benchmarks/all_words.py STATISTICS.npz [--pairs 50] [--dim 50] [--scale 1e-8] [--times 100]
        [--vectors 200] [--rated PAIRS [...]]

STATISTICS is what `w2vflow count --vocab-size None` writes. Prints seconds of each stage and the largest
memory of the process after it, residuals, the proven bound on what the eigenvectors that were not
computed add to the trajectory, and the words at both ends of the first ten concepts.
"""

import argparse
import resource
import time

import jax
import numpy as np

import w2vflow as wf

jax.config.update("jax_enable_x64", True)

_begun = time.perf_counter()


def stage(name):
    """Print what the last stage took."""
    global _begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{name:<42}{time.perf_counter() - _begun:>8.1f} s  peak {memory / 1e9:.2f} GB", flush=True)
    _begun = time.perf_counter()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--tol", type=float, default=1e-5)
    parser.add_argument("--dim", type=int, default=50)
    parser.add_argument("--scale", type=float, default=1e-8)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--vectors", type=int, default=200)
    parser.add_argument("--rated", nargs="*", default=[], help="files of rated pairs to judge them by")
    a = parser.parse_args()
    stage("imports")
    stats = wf.load_statistics(a.statistics)
    stage("statistics")
    vectors = wf.embed(stats, a.vectors)
    stage(f"`embed` in {a.vectors} dimensions")
    for file in a.rated:
        print(f"{file}: {wf.evaluate_similarity(vectors, stats.words, file)}")
    del vectors
    problem = wf.Problem.from_statistics(stats)
    operator = problem.target_operator()
    print(f"V = {stats.vocab_size:,}, {stats.counts.nnz:,} pairs seen, {type(operator).__name__}")
    stage("M*")
    spectrum = wf.leading_eigenpairs(problem, a.pairs, tol=a.tol)
    worst = spectrum.residuals.max() / spectrum.eigenvalues[0]
    stage(f"{a.pairs} eigenpairs, residual {worst:.0e} lambda_1")
    W0 = wf.gaussian_init(jax.random.key(0), stats.vocab_size, a.dim, a.scale)
    mean = wf.step_time_law(problem, a.dim, a.scale, spectrum=spectrum).mean
    ts = np.linspace(0, 1.1 * mean.max(), a.times)
    exact = wf.predict(problem, W0, ts, spectrum=spectrum)
    stage(f"exact trajectory, d = {a.dim}, {a.times} times")
    values = exact.singular_values**2
    if exact.error_bound is not None:
        at = np.array([np.argmax(values[:, k] > spectrum.eigenvalues[k] / 2) for k in range(a.dim)])
        for k in sorted({0, 4, 9, 19, a.dim - 1} & set(range(a.dim))):
            bound = exact.error_bound[at[k], k] / spectrum.eigenvalues[k]
            print(f"concept {k + 1}: lambda {spectrum.eigenvalues[k]:.1f}, half-rise at {ts[at[k]]:.4g}, "
                  f"error of s^2 below {bound:.1e} lambda there")  # fmt: skip
    for k, feature in enumerate(wf.label_features(spectrum.leading(min(10, a.pairs)), stats.words, n=6)):
        ends = " ".join(feature.positive), " ".join(feature.negative)
        print(f"| {k + 1} | {feature.eigenvalue:.0f} | {ends[0]} | {ends[1]} |")
    stage("words")


if __name__ == "__main__":
    main()
