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
# # What word2vec learns
#
# word2vec turns words into vectors by reading. Started from small vectors, it does so in steps: for a long
# while nothing, then one **concept**, then the next. Which concepts, in which order and when is written in
# the counts of the text, before any training. You will learn
#
# 1. which **matrix** of counts word2vec works on, and what its entries mean;
# 2. what a **concept** is: an eigenvector of that matrix, with words at both of its ends;
# 3. **when** each concept is learned, from a formula of one line;
# 4. that the formula, the ideal course (gradient flow) and real training (SGD) lie **on one curve**;
# 5. how the **cloud** of word vectors unfolds along one axis after the other.
#
# Half a minute on two cores. The text: 15,044 articles of the English Wikipedia, whose counts come with the
# package. The theory: [Karkada, Simon, Bahri, DeWeese 2025](https://arxiv.org/abs/2502.09863).

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import w2vflow as wf
from w2vflow.plotting import plot_embedding_slice, plot_loss, plot_singular_values, shades, slide
from w2vflow.results import concept_coordinates
from w2vflow.spectrum import direction_overlaps, left_directions

jax.config.update("jax_enable_x64", True)  # tiny starts need float64
plt.rcParams |= {"figure.dpi": 60, "font.size": 9}

# %% tags=["parameters"] small="vocab_size, dim, seeds = 200, 4, 1"
vocab_size = 1000  # the most frequent words
dim = 8  # numbers in a word vector, and so concepts there is room for
seeds = 3  # runs of SGD, each from a random start of its own
scale = 1e-4  # size of the start

# %% [markdown]
# ## 1. From counts to one matrix
#
# All that word2vec sees of a text is which words stand near each other. Let $P_{ij}$ be the share of pairs
# (words at most 16 apart, nearer ones weigh more) that are $i$ and $j$, and $p_i$ that of word $i$. Chance
# alone would give $P_{ij} = p_i p_j$. word2vec compares the two:
#
# $$ M^*_{ij} = 2\,\frac{P_{ij} - p_i p_j}{P_{ij} + p_i p_j} \qquad \text{from } -2
# \text{ (never together) over } 0 \text{ (as often as by chance) to } 2 \text{ (much more often).} $$

# %%
stats = wf.load_statistics("enwiki15k-v3000").most_frequent(vocab_size)
problem = wf.Problem.from_statistics(stats)
M = np.asarray(problem.target())
place = {word: row for row, word in enumerate(stats.words)}
for one, other in [("film", "music"), ("she", "her"), ("war", "army"), ("war", "music"), ("the", "of")]:
    if one in place and other in place:
        print(f"{one:>5} and {other:6} M* = {M[place[one], place[other]]:+.2f}")

# %% [markdown]
# word2vec looks for vectors $w_i$ whose products $w_i \cdot w_j$ come near $M^*_{ij}$. With few numbers in a
# vector it cannot meet all entries, so it has to choose.
#
# ## 2. Concepts are eigenvectors
#
# The best it can do with $d$ numbers are the $d$ leading eigenvectors $v_k$ of $M^*$. Each is a **concept**:
# one number for every word, with opposite kinds of words at its two ends. Its eigenvalue $\lambda_k$ says how
# much of the text it accounts for.

# %%
spectrum = wf.leading_eigenpairs(problem, dim)
features = wf.label_features(spectrum, stats.words, n=5)
for number, feature in enumerate(features, 1):
    print(f"{number}  lambda {feature.eigenvalue:5.1f}  {', '.join(feature.positive):52} <->  ", end="")
    print(*feature.negative, sep=", ")

# %% [markdown]
# Nobody told it what these words mean. To see why they end up together, look at $M^*$ itself, with the words
# at the ends of the first three concepts for rows and columns. Dark green blocks on the diagonal: the words
# of one end seek each other. Brown blocks beside them: they shun those of the other end.

# %%
ends = [end[:4] for feature in features[:3] for end in (feature.positive, feature.negative)]
chosen = list(dict.fromkeys(word for end in ends for word in end))
rows = [place[word] for word in chosen]
figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
image = ax.imshow(M[np.ix_(rows, rows)], cmap="BrBG", vmin=-2, vmax=2)
ax.set_xticks(range(len(rows)), chosen, rotation=90)
ax.set_yticks(range(len(rows)), chosen)
for edge in range(4, len(rows), 4):
    ax.axhline(edge - 0.5, color="white", lw=2.5 if edge % 8 == 0 else 1)
    ax.axvline(edge - 0.5, color="white", lw=2.5 if edge % 8 == 0 else 1)
_ = figure.colorbar(image, label="$M^*$", shrink=0.7)

# %% [markdown]
# ## 3. One concept at a time
#
# Training starts from small random vectors, the rows of a matrix $W$, and goes down the loss. Let $s_k$ be
# how much of concept $k$ the vectors hold (a singular value of $W$). Small as all is in the beginning,
# concepts do not feel each other, and each obeys
#
# $$ \frac{d s_k^2}{dt} = 2 (\lambda_k - s_k^2)\, s_k^2 : $$
#
# it grows like $e^{2 \lambda_k t}$, invisibly, until it is there all at once, and stops at $s_k^2 =
# \lambda_k$. The half of $\lambda_k$ is passed at
#
# $$ t_k = \frac{1}{2\lambda_k} \ln\left(\frac{\lambda_k}{s_k^2(0)} - 1\right). $$
#
# The larger $\lambda_k$, the earlier. How much of it a random start holds, $s_k^2(0)$, only enters through a
# logarithm, and its law over all random starts is known too. So here is the timetable, before any training:

# %%
mean, spread = wf.step_time_law(problem, dim, scale, spectrum=spectrum)
for number, (t, give_or_take, feature) in enumerate(zip(mean, spread, features, strict=True), 1):
    print(f"concept {number}: t = {t:.4f} +- {give_or_take:.4f}   {feature.name}")

# %% [markdown]
# ## 4. Theory, flow and SGD on one axis
#
# Three computations of the same runs, from the same random starts:
#
# - the **closed form** (dotted): all of the above, exactly, for any start. No training: one formula per time;
# - the **gradient flow** (orange): the loss gone down in infinitely small steps, a differential equation;
# - **SGD** (blue): what one does in practice, with finite steps and the noise of small batches of pairs.

# %%
keys = jax.random.split(jax.random.key(0), seeds)
W0 = wf.gaussian_init(keys, vocab_size, dim, scale)
rate = 0.02 / spectrum.eigenvalues[0]
sgd = wf.run_sgd_ensemble(
    problem,
    keys,
    np.linspace(0, 1.3 * mean[-1], 121),
    dim=dim,
    scale=scale,
    learning_rate=rate,
    batch_size=32_768,
    sampler="blocks",
    recording=wf.Recording(save_embeddings=True),
)
theory = wf.predict(problem, W0, sgd.ts)
flow = wf.solve_flow(problem, W0, sgd.ts)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
plot_loss(flow.sel(seed=0), sgd, theory.sel(seed=0), ax=left)
plot_singular_values(flow.sel(seed=0), sgd, theory.sel(seed=0), spectrum=spectrum, legend=False, ax=right)
for t in mean:
    left.axvline(t, color="0.85", lw=0.8, zorder=0)
_ = left.set_title("the loss: a staircase")
_ = right.set_title("what the vectors hold of each concept (grey: $\\lambda_k$)")

# %% [markdown]
# Look at the right: one curve after the other leaves zero, turns up, and settles on its grey line, the
# eigenvalue. On the left each of them is a step down at the predicted time (grey). Thin blue lines that part
# from the rest are other seeds: their random start held more or less of that concept. Seed by seed the times
# agree much better than that:

# %%
comparison = wf.compare(theory, flow, sgd, spectrum=spectrum)
predicted = wf.predict_step_times(problem, W0)  # the formula of section 3 for these very starts
print("concept   formula, closed form, flow and SGD of the first seed")
for mode in range(dim):
    measured = [comparison.step_times[name][0, mode] for name in ("theory", "flow", "sgd")]
    print(f"{mode + 1:7}   {predicted[0, mode]:.4f}", *(f"{t:.4f}" for t in measured))
print(
    f"flow against closed form, any s_k at any time: {comparison.singular_value_error('flow', 'theory'):.0e}"
)

# %% [markdown]
# ## 5. The cloud unfolds
#
# What does that look like in the space of word vectors? Below, every dot is a word of one SGD run, seen
# along the first two concepts; the colour is the third. Move the slider. At first the cloud is a point. It
# shoots out along concept 1 to a line, opens along concept 2 to a sheet, and then the colours turn on: the
# third dimension.

# %%
coordinates = concept_coordinates(sgd.embeddings[0], spectrum)[..., :3]
named = [place[word] for feature in features[:3] for word in (*feature.positive[:2], *feature.negative[:2])]
shown = np.unique([*range(0, vocab_size, max(1, vocab_size // 110)), *named])  # enough to see the cloud
words = [stats.words[row] for row in shown]
labelled = [words.index(stats.words[row]) for row in named]
limit = 1.1 * np.abs(coordinates[-1, shown, :2]).max()


def draw_cloud(t, ax):
    cloud = coordinates[np.argmin(np.abs(sgd.ts - t))][shown]
    grown = np.abs(cloud[:, :2]).max() > 0.2 * limit  # names on one point would hide it
    learned = wf.theory.predict_rank(mean, np.array([t]))[0]
    title = f"{learned} of {dim} concepts learned"
    plot_embedding_slice(cloud, words, labelled if grown else [], limit=limit, title=title, ax=ax)
    ax.set(xticks=[], yticks=[])


slide(draw_cloud, mean[0] * np.array([0.7, 1, 1.2, 1.4, 1.7, 3.5]), size=(3.8, 3.8))

# %% [markdown]
# And the directions are those that were known beforehand. The squared cosine between what SGD has learned and
# the eigenvector, 1 for the same direction:

# %%
directions = left_directions(sgd.embeddings[0], dim)
cosines = direction_overlaps(directions, spectrum.eigenvectors).diagonal(axis1=-2, axis2=-1)
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for mode, shade in enumerate(shades(dim)):
    ax.plot(sgd.ts, cosines[:, mode], color=shade, label=f"concept {mode + 1}")
    ax.plot(comparison.step_times["sgd"][0, mode], 0, "^", color=shade, clip_on=False)
_ = ax.set(xlabel="time $t$", ylabel="squared cosine", ylim=(0, 1.02))
_ = ax.legend(ncols=2, fontsize=7)

# %% [markdown]
# So that is what word2vec learns, on one page: **the leading eigenvectors of one matrix of counts, one after
# the other, each at a time that the counts foretell.**
#
# Read next: `02_your_own_corpus` does all this with a text of your own; `03_seeds_scales_and_limits` shows
# where it stops being true; `04` puts the real word2vec beside it. `solvable_corpora` has three small
# worlds in which all can be worked out by hand.
