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
# # What a document, a word, a pair does
#
# Concepts are eigenvectors of a matrix made of counts. So one can ask the counts: where does this concept
# come from, and what if the corpus were another? You will learn
#
# 1. which **documents** hasten or delay a concept, and what their removal changes: predicted by a
#    first-order influence, by a formula for finite changes, and by training again;
# 2. the same of **words** and of single **pairs**;
# 3. how a change of an eigenvalue becomes a change of a **step time**;
# 4. what becomes of every concept when a **theme gets louder**, with a slider;
# 5. how to predict a run whose **corpus changes in mid-training**, and one whose **learning rate** falls.
#
# Every prediction stands beside a re-simulation. Under a minute on two cores.

# %%
import tempfile
import warnings
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

import w2vflow as wf
from w2vflow.plotting import slide

jax.config.update("jax_enable_x64", True)
plt.rcParams |= {"figure.dpi": 60, "axes.spines.top": False, "axes.spines.right": False}

# %% tags=["parameters"] small="vocab_size, documents = 80, 150"
vocab_size, documents = 200, 500

# %% [markdown]
# ## A text of our own
#
# Influences of documents need documents, and the package holds only counts. So we write a text: each document
# leans to one side or the other of six concepts of Wikipedia, and its words are drawn accordingly,
#
# $$ p(\text{word } i \mid \text{document}) \propto p_i^{0.7}\, e^{\sum_k a_k v_{ik} \sqrt V}, \qquad
#    a_k \text{ random, larger for stronger concepts.} $$
#
# Few documents lean far, most hardly: as in a real corpus, some matter much more than others. **For your own
# text**, skip this cell and let `text` be its path: one document a line.

# %%
folder = Path(tempfile.mkdtemp())
text = folder / "text.txt"
wikipedia = wf.load_statistics("enwiki15k-v3000").most_frequent(vocab_size)
themes = wf.leading_eigenpairs(wf.Problem.from_statistics(wikipedia), 6)
rng = np.random.default_rng(1)
lean = 0.54 * rng.laplace(size=(documents, 6)) * themes.eigenvalues / themes.eigenvalues[0]
logits = 0.7 * np.log(wikipedia.unigram) + lean @ themes.eigenvectors.T * np.sqrt(vocab_size)
shares = np.exp(logits - logits.max(axis=1, keepdims=True))
names = np.array(wikipedia.words)
lines = (" ".join(rng.choice(names, 300, p=row / row.sum())) for row in shares)
_ = text.write_text("\n".join(lines))

# %% [markdown]
# A `TokenFile` keeps the text as numbers, so that any documents can be counted again without reading it
# again.

# %%
wf.tokenize(text, folder / "tokens", min_count=20, workers=1)
tokens = wf.TokenFile.load(folder / "tokens")
stats = wf.count_documents(tokens, window=5)
problem = wf.Problem.from_statistics(stats)
spectrum = wf.leading_eigenpairs(problem, 16)
for k, feature in enumerate(wf.label_features(spectrum.leading(4), stats.words, n=6), 1):
    print(f"{k}  {feature.eigenvalue:5.1f}  {' '.join(feature.positive)}  <->  {' '.join(feature.negative)}")

# %% [markdown]
# ## 1. Documents
#
# If document $d$ occurred once more, $\lambda_k$ would rise by
#
# $$ I_{dk} = \sum_{ij} n^{(d)}_{ij}\, D^{(k)}_{ij}, \qquad
#    D^{(k)}_{ij} = \frac{\partial \lambda_k}{\partial n_{ij}}, $$
#
# one pass over the text for all documents and concepts. They add up to zero: twice the whole corpus changes
# nothing.

# %%
concept = 1  # counted from 0: the second one
influence = wf.theory.document_influence(problem, spectrum, tokens, workers=1)
strongest = wf.theory.strongest_influences(influence[:, concept], 3)
print("hasten:", *(tokens.opening(number)[:70] for number in strongest.hastening), sep="\n  ")
print("delay: ", *(tokens.opening(number)[:70] for number in strongest.delaying), sep="\n  ")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
left.plot(np.sort(influence[:, concept])[::-1], ".", ms=3)
_ = left.set(xlabel="documents, by influence", ylabel="$I_{d2}$", title="few documents make the concept")
right.plot(lean[:, concept] ** 2, influence[:, concept], ".", ms=3)
_ = right.set(xlabel="lean of the document, squared", title="those that lean far to either side")

# %% [markdown]
# Now remove the documents that hasten it most, a twentieth of all. Influences add up to a first-order
# prediction. `changed_spectrum` is better: it takes the *new* $M^*$ as seen from the *old* eigenvectors, and
# solves an eigenproblem of 16 x 16. "Counted again" is the truth.

# %%
gone = wf.theory.strongest_influences(influence[:, concept], documents // 20).hastening
weights = np.ones(tokens.documents, int)
weights[gone] = 0
without = wf.Problem.from_statistics(wf.count_documents(tokens, window=5, weights=weights))
foreseen = wf.theory.changed_spectrum(without, spectrum)
truth = wf.leading_eigenpairs(without, 16)
print("change of lambda    ", *(f"{k:>7}" for k in range(1, 7)))
for name, change in {
    "first order": -influence[gone].sum(axis=0),
    "changed_spectrum": foreseen.eigenvalues - spectrum.eigenvalues,
    "counted again": truth.eigenvalues - spectrum.eigenvalues,
}.items():
    print(f"{name:20}", *(f"{value:7.2f}" for value in change[:6]))

# %% [markdown]
# ## 2. From eigenvalues to step times
#
# A concept of a smaller eigenvalue is learned later. At fixed initial strength
#
# $$ \frac{d t_k}{d \lambda_k} = \frac{t_k}{\lambda_k} \left[ \frac{1 + e^{-x}}{x} - 1 \right],
#    \qquad x = 2 \lambda_k t_k, $$
#
# which is `step_time_slopes`. Put together: when would each concept be learned without those documents?
# And the same by training: the gradient flow on the new counts, from the same weights.

# %%
dim, scale = 6, 1e-6
W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim, scale)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    before = wf.predict_step_times(problem, W0, spectrum=spectrum)
    after = wf.predict_step_times(without, W0, spectrum=foreseen)
for warning in said:
    print("Warning:", warning.message)
slopes = wf.theory.step_time_slopes(spectrum.eigenvalues[:dim], before)
ts = np.linspace(0, 1.3 * before.max(), 120)
run = wf.solve_flow(without, W0, ts)
trained = wf.measure_step_times(run, truth)[:dim]
print("step times before    ", before.round(4))
print("slope x first order  ", (before - slopes * influence[gone, :dim].sum(axis=0)).round(4))
print("changed_spectrum     ", after.round(4))
print("trained again        ", trained.round(4))

# %%
figure, ax = plt.subplots(figsize=(7.5, 3), layout="constrained")
old = wf.predict(problem, W0, ts)
for mode in range(3):
    ax.plot(ts, old.singular_values[:, mode] ** 2, color=f"C{mode}", lw=4, alpha=0.25)
    ax.plot(ts, run.singular_values[:, mode] ** 2, color=f"C{mode}")
    ax.axvline(after[mode], color=f"C{mode}", ls=":")
_ = ax.set(
    xlabel="time", ylabel="$s_k^2$", title="pale: before; lines: trained without them; dotted: predicted"
)

# %% [markdown]
# The concept that lost its documents is weaker and late; the others hardly notice.
#
# ## 3. Words and pairs
#
# `word_influence` is $d\lambda_k / d \ln f_i$: the word occurs a little more often, in all its contexts
# alike. `count_influence` is $d\lambda_k / d \ln n_{ij}$: one pair is met more often, and what that takes
# from all other pairs of both words is taken into account. (`pmi_influence` holds the others fixed.)

# %%
by_word = wf.theory.word_influence(problem, spectrum)
ends = wf.theory.strongest_influences(by_word[:, concept], 6)
print("words that hasten:", *(stats.words[i] for i in ends.hastening))
print("words that delay: ", *(stats.words[i] for i in ends.delaying))
by_pair = wf.theory.count_influence(problem, spectrum, concept)
ends_of_pairs = wf.theory.strongest_influences(by_pair, 5)
print("pairs that hasten:", *("-".join(stats.words[i] for i in pair) for pair in ends_of_pairs.hastening))
print("pairs that delay: ", *("-".join(stats.words[i] for i in pair) for pair in ends_of_pairs.delaying))

# %% [markdown]
# Pairs of words of one end hasten the concept, pairs across delay it. How far does the first order
# reach? `reweigh_words` gives the counts of a text in which a word occurs $f$ times as often:

# %%
loud = ends.hastening
factors = np.geomspace(0.25, 4, 9)
predicted = spectrum.eigenvalues[concept] + np.log(factors) * by_word[loud, concept].sum()
recounted = []
for factor in factors:
    other = wf.Problem.from_statistics(wf.counts.reweigh_words(stats, {stats.words[i]: factor for i in loud}))
    recounted.append(wf.leading_eigenpairs(other, concept + 1).eigenvalues[concept])
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(factors, recounted, "o", label="counted again")
ax.plot(factors, predicted, "k:", label="first order, from `word_influence`")
_ = ax.set(xscale="log", xlabel="frequency of the six words, factor", ylabel="$\\lambda_2$")
_ = ax.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
ax.minorticks_off()
_ = ax.legend()

# %% [markdown]
# The line is the tangent at 1, and the eigenvalue follows it up to a factor of about 1.5. Mind the axis: it
# all is little, because a frequency cancels from $P_{ij} / (p_i p_j)$. What is left is the share that the
# words take of the contexts of all others; so a few loud words matter more than a few quiet ones.
#
# ## 4. A theme gets louder
#
# `concept_changes` matches the concepts of two corpora one to one and says what each has become: its
# eigenvalue, its place, how much of it is left (`overlap`, squared cosine), when it is learned now. `inf`: it
# has left the first `dim` places and is learned no more.

# %%
theme = wf.label_features(spectrum.leading(2), stats.words, n=15)[concept].positive


def louder(factor):
    """Return the problem in which the words of the theme are so many times as frequent."""
    return wf.Problem.from_statistics(wf.counts.reweigh_words(stats, dict.fromkeys(theme, float(factor))))


print(*theme)
print(wf.theory.concept_changes(problem, louder(4), dim, dim=dim, scale=scale))


# %%
def draw(factor, ax):
    """Draw the staircase that this corpus predicts."""
    changed = louder(factor)
    pairs = wf.leading_eigenpairs(changed, 4 * dim)
    exact = wf.predict(changed, W0, ts, spectrum=pairs)
    shared = (pairs.eigenvectors[:, :dim].T @ spectrum.eigenvectors[:, concept]) ** 2
    for mode in range(dim):
        ours = mode == shared.argmax()
        ax.plot(ts, exact.singular_values[:, mode] ** 2, color="C1" if ours else "0.6", lw=2.5 if ours else 1)
    ax.set(
        xlabel="time", ylabel="$s_k^2$", ylim=(0, 1.6 * spectrum.eigenvalues[0]), title="orange: concept 2"
    )


slide(draw, [0.1, 0.25, 0.5, 1, 2, 4, 8], label="theme x", size=(4.6, 2.8))

# %% [markdown]
# Move the slider: a theme that is louder by far comes sooner and stronger, up to the first place; a
# quieter one changes next to nothing, for the same reason as above.
#
# ## 5. Changes in mid-training
#
# The exact solution is a semigroup: a run may be cut anywhere, and each phase has its own corpus, rate and
# weight decay. Here the theme gets four times as loud half-way between the first steps and the last. Dots are
# **SGD**, switched at the same moment.

# %%
switch = before.mean()
changed = louder(4)
early, late = np.linspace(0, switch, 31)[1:], np.linspace(0, ts[-1] - switch, 41)[1:]
both = wf.predict_phases([wf.Phase(problem, early), wf.Phase(changed, late)], W0)
settings = {"learning_rate": 0.02 / spectrum.eigenvalues[0], "batch_size": 16_384, "sampler": "blocks"}
one = wf.run_sgd(
    problem, W0, early, key=jax.random.key(1), recording=wf.Recording(save_embeddings=True), **settings
)
two = wf.run_sgd(changed, one.embeddings[-1], late, key=jax.random.key(2), **settings)
figure, ax = plt.subplots(figsize=(7.5, 3), layout="constrained")
ax.plot(both.ts, both.singular_values**2)
ax.set_prop_cycle(None)
ax.plot(one.ts[::2], one.singular_values[::2] ** 2, ".")
ax.set_prop_cycle(None)
ax.plot(switch + two.ts[::2], two.singular_values[::2] ** 2, ".")
ax.axvline(switch, color="k", ls=":", lw=0.8)
_ = ax.set(
    xlabel="time", ylabel="$s_k^2$", title="another corpus from the dotted line on: predicted, and SGD"
)

# %% [markdown]
# A schedule of learning rates only says how many steps a stretch of time takes, but for the size of the
# steps. `schedule_phases` cuts it into phases of constant rate; `run_gd` takes every step of it.

# %%
largest = 0.3 / spectrum.eigenvalues[0]
schedule = optax.cosine_decay_schedule(largest, decay_steps=400, alpha=0.05)
numbers = np.arange(2, 402, 4)
scheduled = wf.predict_phases(wf.theory.schedule_phases(problem, schedule, numbers, pieces=8), W0)
steps = wf.run_gd(problem, W0, scheduled.ts, learning_rate=schedule)
worst = np.abs(steps.singular_values**2 - scheduled.singular_values**2).max() / spectrum.eigenvalues[0]
constant = wf.predict(problem, W0, scheduled.ts)
ignored = np.abs(steps.singular_values**2 - constant.singular_values**2).max() / spectrum.eigenvalues[0]
print(
    f"largest difference of any s_k^2, over lambda_1: {worst:.1%}; without the size of steps: {ignored:.1%}"
)

# %% [markdown]
# **Read next:** `07_gpu_and_all_words` for large corpora;
# [docs/predicting.md](../docs/predicting.md) for error bars from the size of a corpus
# (`document_uncertainty`); [docs/predictions.md](../docs/predictions.md) for the same on 13,515 articles of
# Wikipedia: removing the 100 most influential ones of each of 8 concepts changes step times as predicted
# to 0.07% of the change in the median.
