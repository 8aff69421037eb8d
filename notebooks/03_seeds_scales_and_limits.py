# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Seeds, scales and where the theory ends
#
# A theory is worth as much as its list of exceptions. This notebook goes through them, each with the function
# that says so before you run anything. You will learn
#
# 1. what a **seed** changes: when a concept is learned, give or take, and hardly ever which;
# 2. what the **scale** of the start changes: small ones separate the steps, large ones merge them;
# 3. what happens to concepts of **equal strength**: they are learned as one plane, not as two directions;
# 4. what happens with **more dimensions than concepts**;
# 5. how large the **learning rate** may be, and what finite steps do before that;
# 6. what the **noise** of small batches does, and how to choose rate and batch beforehand.
#
# Under a minute on two cores. `01_what_word2vec_learns` comes first.

# %%
import warnings

import jax
import matplotlib.pyplot as plt
import numpy as np

import w2vflow as wf
from w2vflow.plotting import shades, slide

jax.config.update("jax_enable_x64", True)
plt.rcParams |= {"figure.dpi": 60, "font.size": 9}


def said_by(call, *arguments, **settings):
    """Call a function; return its result, and the warnings or the error with which it answered."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call(*arguments, **settings)
        except (ValueError, RuntimeError) as error:
            return None, [str(error)]
    return result, [str(one.message) for one in caught]


# %% tags=["parameters"] small="vocab_size, seeds, trained, scales, shares = 60, 40, 2, [1e-4, 1.0], [0.4]"
vocab_size = 200  # words
dim = 6  # numbers in a word vector
seeds = 400  # random starts, in closed form
trained = 6  # of which so many are trained by SGD
scales = [1e-10, 1e-4, 1e-2, 1e-1, 1.0]  # sizes of the start, for the slider
shares = [0.05, 0.4, 0.9]  # learning rates, as shares of the largest that is stable

# %%
stats = wf.load_statistics("enwiki15k-v3000").most_frequent(vocab_size)
problem = wf.Problem.from_statistics(stats)
spectrum = wf.leading_eigenpairs(problem, vocab_size)
colours = shades(dim)
keys = jax.random.split(jax.random.key(0), seeds)

# %% [markdown]
# ## 1. Seeds: when, give or take
#
# A random start holds a little of every concept. Of concept $k$ it is $R_{kk}$, what is left of its overlap
# once the concepts learned before it have taken theirs, and
#
# $$ t_k = \frac{\ln(\lambda_k / R_{kk}^2 - 1)}{2 \lambda_k}. $$
#
# For Gaussian starts, $R_{kk}^2 \cdot d / \text{scale}^2$ is a chi-square variable of $d - k + 1$ degrees of
# freedom. So the first concepts have nearly the same times in all seeds, and the last one, with a single
# degree of freedom left, is a gamble. `step_time_law` is mean and standard deviation over all seeds,
# `predict_step_times` the times of given ones.

# %%
scale = 1e-3
W0 = wf.gaussian_init(keys, vocab_size, dim, scale)
times = wf.predict_step_times(problem, W0, spectrum=spectrum)
mean, deviation = wf.step_time_law(problem, dim, scale, spectrum=spectrum)
rate = wf.recommended_learning_rate(problem, dim, batch_size=8192, sampler="blocks", accuracy=0.02).rate
sgd = wf.run_sgd_ensemble(
    problem,
    keys[:trained],
    np.linspace(0, 1.8 * mean[-1], 150),
    dim=dim,
    scale=scale,
    learning_rate=rate,
    batch_size=8192,
    sampler="blocks",
)
measured = wf.measure_step_times(sgd, spectrum)

figure, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
bins = np.linspace(0.9 * times.min(), np.quantile(times, 0.995), 120)
for mode, colour in enumerate(colours):
    ax.hist(times[:, mode], bins, density=True, color=colour, alpha=0.5)
    bell = np.exp(-(((bins - mean[mode]) / deviation[mode]) ** 2) / 2) / deviation[mode] / np.sqrt(2 * np.pi)
    ax.plot(bins, bell, color=colour, label=f"concept {mode + 1}")
    ax.plot(measured[:, mode], np.full(trained, -1.5 - mode), "|", color=colour, ms=9)
ax.set(xlabel="step time", ylabel="density over seeds", yticks=[])
_ = ax.legend(fontsize=8)

# %% [markdown]
# Filled: the times of all seeds in closed form. Lines: the law, drawn as a bell; the last concepts have a
# longer tail to the right, from seeds that hold next to nothing of them. Ticks below: the seeds that were
# trained by SGD, one row for each concept.
#
# ## 2. Scales: steps need a small start
#
# A rise takes a time of $\ln 81 / (2 \lambda_k)$, whatever the start; the wait before it grows with $\ln(1
# / \text{scale})$. So steps come apart from small starts, and from large ones they overlap. Move the
# slider: each curve is $s_k^2 / \lambda_k$ of one seed in closed form, exact at any scale; dotted lines are
# where the formula of section 1 puts its step.


# %%
def draw_scale(scale, ax):
    W0 = wf.gaussian_init(keys[0], vocab_size, dim, scale)
    law, _ = said_by(wf.predict_step_times, problem, W0, spectrum=spectrum)
    ts = np.linspace(0, 1.4 * np.nanmax(law), 150)
    exact = wf.predict(problem, W0, ts, spectrum=spectrum)
    for mode, colour in enumerate(colours):
        ax.plot(ts / law[0], exact.singular_values[:, mode] ** 2 / spectrum.eigenvalues[mode], color=colour)
        ax.axvline(law[mode] / law[0], color=colour, ls=":", lw=1)
    ax.set(xlim=(0, 4), ylim=(0, 1.3), xticks=range(5), yticks=[0, 1])
    ax.set(xlabel="time / first predicted step", ylabel="$s_k^2 / \\lambda_k$")


slide(draw_scale, scales, label="scale", size=(4, 2.2))

# %% [markdown]
# At $10^{-10}$ a staircase with flats; at $10^{-2}$ the steps touch; at 1 there is nothing to wait for, the
# start is as large as the concepts, and the dotted lines mean nothing any more. Three functions foresee this:
#
# - `step_visibility`: the gap to the next step over the width of the rise; below 1 there is no plateau;
# - `silent_alignment`: by how many powers of e a direction turns into place before its concept shows. Well
#   above 1, what rises is the eigenvector; below, a mixture of it and the next;
# - `estimate_step_time_errors`: by how much the formula is off.

# %%
print("scale    plateaus  weakest    error of t_k: estimated, true      warns")
print("                   alignment  (middle of concepts and seeds)")
for scale in [1e-8, 1e-4, 1e-2, 1e-1, 0.3]:
    W0 = wf.gaussian_init(keys[:20], vocab_size, dim, scale)
    law, said = said_by(wf.predict_step_times, problem, W0, spectrum=spectrum)
    estimated = np.nanmedian(wf.theory.estimate_step_time_errors(problem, W0, spectrum=spectrum))
    exact = wf.predict(problem, W0, np.linspace(0, 1.5 * np.nanmax(law), 300), spectrum=spectrum)
    true = np.nanmedian(np.abs(law / wf.measure_step_times(exact, spectrum) - 1))
    seen = np.sum(wf.theory.step_visibility(problem, np.nanmedian(law, axis=0), spectrum=spectrum) >= 1)
    aligned = wf.theory.silent_alignment(problem, dim, scale, spectrum=spectrum).min()
    warned = "yes" if said else "no"
    print(f"{scale:<8g} {seen} of {dim - 1}    {aligned:8.2f}   {estimated:14.2%} {true:10.2%} {warned:>16}")
print("\nThe last warning in full:\n" + "\n".join(said))

# %% [markdown]
# The remedy is in the message: `predict` is exact at any scale, and `measure_step_times` of it tells when
# half of $\lambda_k$ is passed. Only the formula of one line needs a small start.
#
# ## 3. Concepts of equal strength
#
# The months of the year stand on a ring, and its concepts come in pairs of one eigenvalue (a cosine and a
# sine). Which of all directions of their plane is called the first means nothing: two starts find two
# different ones. `degenerate_groups` says which concepts are one subspace.

# %%
months = wf.theory.solvable.ring(12, concentration=1.0)
print("eigenvalues", np.round(months.spectrum.eigenvalues[:4], 3))
print(
    "groups     ",
    [(group.start + 1, group.stop) for group in wf.spectrum.degenerate_groups(months.spectrum)[:2]],
)
year = months.problem()
W0 = wf.gaussian_init(keys[:20], 12, 2, 1e-3)
once_learned = [1.1 * wf.predict_step_times(year, W0).max()]
learned = wf.predict(year, W0, once_learned, save_embeddings=True).embeddings[:, 0]
planes = [wf.spectrum.principal_directions(W, 2) for W in learned]
firsts = [wf.subspace_overlap(planes[0][:, :1], plane[:, :1]) for plane in planes[1:]]
both = [wf.subspace_overlap(planes[0], plane) for plane in planes[1:]]
print(
    f"squared cosine of the first direction with that of another seed: {min(firsts):.3f} to {max(firsts):.3f}"
)
print(f"overlap of the planes:                                           {min(both):.3f} to {max(both):.3f}")

# %% [markdown]
# Concepts that are only nearly equal are told apart in the end, but not while they rise. How far apart must
# they be? That depends on the scale, and is what `step_visibility` and `silent_alignment` measure. On
# Wikipedia:

# %%
gaps = 1 - spectrum.eigenvalues[1:dim] / spectrum.eigenvalues[: dim - 1]
aligned = wf.theory.silent_alignment(problem, dim, 1e-3, spectrum=spectrum)
visible = wf.theory.step_visibility(problem, mean, spectrum=spectrum)
for mode in range(dim - 1):
    print(
        f"concepts {mode + 1} and {mode + 2}: eigenvalues {gaps[mode]:4.0%} apart, "
        f"e^{aligned[mode]:.1f} aligned when seen, gap {visible[mode]:.2f} of a rise"
    )

# %% [markdown]
# ## 4. More dimensions than concepts
#
# Words and contexts sharing one set of vectors learn positive eigenvalues only: a sum of squares cannot be
# negative. Where the embedding has more dimensions than that, the rest never leaves the ground. Four
# yes-or-no attributes make 16 words, whose matrix has 10 positive eigenvalues; ask for 12 dimensions:

# %%
attributes = wf.theory.solvable.binary_attributes([0.8, 0.65, 0.5, 0.35])
small = attributes.problem()
W0 = wf.gaussian_init(keys[0], 16, 12, 1e-3)
step_times, said = said_by(wf.predict_step_times, small, W0)
print("positive eigenvalues:", np.sum(attributes.spectrum.eigenvalues > 1e-12))
print("step times:", np.round(step_times, 2))
print("\n".join(said))
print(*said_by(wf.step_time_law, small, 12, 1e-3)[1])

# %% [markdown]
# With fewer dimensions than concepts, the usual case, the last concepts of $d$ are the shaky ones: little of
# the start is left over for them, and the concepts that found no room disturb them. Look at the estimated
# error along the concepts. Dimensions to spare bring it down.

# %%
for d in (dim, 2 * dim):
    W0 = wf.gaussian_init(keys[:20], vocab_size, d, 1e-3)
    errors = np.median(wf.theory.estimate_step_time_errors(problem, W0), axis=0)
    print(f"d = {d:2}:", *(f"{error:7.3%}" for error in errors[:dim]))

# %% [markdown]
# ## 5. The learning rate
#
# Time is learning rate times steps. Finite steps of gradient descent lag behind the flow by some
# $\eta \lambda_k / 2$ of themselves, which `predict(..., learning_rate=)` takes into account, and above
#
# $$ \eta = \frac{2}{\max(2 \lambda_1,\ \lambda_1 - \lambda_{\min})} $$
#
# (`stability_limit`) they never settle at all.

# %%
limit = wf.stability_limit(problem)
W0 = wf.gaussian_init(keys[0], vocab_size, dim, 1e-3)
flow = wf.predict_step_times(problem, W0, spectrum=spectrum)
figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
for share, colour in zip(shares, ["#0072B2", "#009E73", "#D55E00"], strict=False):
    steps = int(1.2 * flow[-1] / (share * limit))
    ts = share * limit * np.arange(steps + 1)
    descent = wf.run_gd(problem, W0, ts, learning_rate=share * limit)
    foreseen = wf.predict(problem, W0, ts, learning_rate=share * limit, spectrum=spectrum)
    ax.plot(descent.ts, descent.singular_values[:, 0] ** 2, ".", color=colour, ms=4)
    ax.plot(ts, foreseen.singular_values[:, 0] ** 2, color=colour, label=f"{share:g} of the limit")
ax.axvline(flow[0], color="k", ls=":", lw=0.8)
ax.set(xlabel="time: learning rate times steps", ylabel="$s_1^2$", xlim=(0.5 * flow[0], 2 * flow[0]))
_ = ax.legend()

# %% [markdown]
# Dots are descent, lines the closed form for that rate, the dotted line the step of the flow. The lag is
# foreseen up to near the limit, where descent overshoots and rings. Above it the solvers refuse. What they
# spare you, by hand: the loss jumps to and fro for ever.

# %%
print(*said_by(wf.run_gd, problem, W0, [0.1], learning_rate=1.1 * limit)[1])
for share in (0.9, 1.1):
    W, losses = np.asarray(W0), []
    for _ in range(200):
        W = W - share * limit * np.asarray(problem.gradient(W))
        losses.append(float(problem.loss(W)))
    print(f"{share:g} of the limit, loss after steps 197 to 200:", *(f"{loss:.1f}" for loss in losses[-4:]))

# %% [markdown]
# ## 6. The noise of small batches
#
# SGD sees some pairs at a time. The singular values it settles on keep trembling, by a standard deviation
# that `stationary_noise` computes from the counts. Here one run with small batches and one with large ones;
# the band is the prediction, two standard deviations to either side.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True, layout="constrained")
rate = 0.05 / spectrum.eigenvalues[0]
ts = np.linspace(0, 2 * flow[-1], 120)
for ax, batch in zip(axes, [1024, 16_384], strict=True):
    trembling = wf.sgd.stationary_noise(
        problem, dim, learning_rate=rate, batch_size=batch, sampler="balanced"
    )
    run = wf.run_sgd(problem, W0, ts, key=keys[1], learning_rate=rate, batch_size=batch, sampler="balanced")
    for mode in (0, 1, dim - 1):
        level = np.sqrt(spectrum.eigenvalues[mode]) + 2 * trembling[mode] * np.array([-1, 1])
        ax.axhspan(*level, color=colours[mode], alpha=0.25, lw=0)
        ax.plot(
            run.ts, run.singular_values[:, mode], color=colours[mode], lw=0.9, label=f"concept {mode + 1}"
        )
    _ = ax.set(title=f"batches of {batch:,} pairs", xlabel="time")
axes[0].set_ylabel("$s_k$")
_ = axes[0].legend(loc="lower right", fontsize=8)

# %% [markdown]
# The weakest concept sits a little low in its band: a shift of second order, which the formula leaves out.
# The cure is a smaller rate or a larger batch. `recommended_learning_rate` gives the largest rate for an
# accuracy that you ask for, and what sets it. How pairs are drawn matters most: pairs `corpus`-wise, as
# word2vec reads them, have rare words with huge weights; `blocks` are sets of words with all their pairs.

# %%
for sampler in ("corpus", "balanced", "blocks"):
    advice = wf.recommended_learning_rate(problem, dim, batch_size=8192, sampler=sampler, accuracy=0.02)
    print(f"{sampler:9} {advice.rate / limit:.4f} of the limit, because of the {advice.bound_by}")
large = 0.5 * limit
_, said = said_by(
    wf.run_sgd, problem, W0, large * np.arange(9), key=keys[1], learning_rate=large, batch_size=64
)
print("\nfar too large a rate for batches of 64:", *said)

# %% [markdown]
# ## What to ask before a run
#
# | doubt | ask |
# |---|---|
# | another seed, another result? | `step_time_law`, `predict_step_times` |
# | is my start small enough? | `estimate_step_time_errors`, `silent_alignment` |
# | will I see steps? | `step_visibility`, `visible_steps` |
# | is this concept a direction, or one of a plane? | `degenerate_groups` |
# | is my rate too large? | `stability_limit`; `predict(..., learning_rate=)` for the lag |
# | is my batch too small? | `stationary_noise`, `step_time_noise`, `recommended_learning_rate` |
# | is my corpus too small? | `document_uncertainty`, `rare_pair_bias`: `02_your_own_corpus` |
# | another loss, other weights? | `predict_ladder`: `docs/predicting.md` |
#
# Every prediction stands beside what was measured, with where it stops being true, in
# `docs/predictions.md`. Read next: `04` puts the real word2vec beside all this.
