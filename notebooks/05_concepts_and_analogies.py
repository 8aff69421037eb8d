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
# # Concepts and analogies
#
# An eigenvector of $M^*$ has one number for each word. This notebook reads them. You will learn
#
# 1. how to give concepts **names**, and why the obvious way shows hardly any frequent words;
# 2. how to see whether **two models** learned the same directions;
# 3. how embeddings made **without training** answer analogies;
# 4. what *paris − france* has in common with *rome − italy*, and how large it would be **by chance**;
# 5. when in training a relation becomes **detectable**, and when **solvable**: not the same moment.
#
# Wikipedia, 3,000 words, counts that come with the package. Under a minute on two cores.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import w2vflow as wf
from w2vflow.plotting import plot_emergence, plot_emergence_order, plot_overlaps, slide

jax.config.update("jax_enable_x64", True)
plt.rcParams |= {"figure.dpi": 55, "axes.spines.top": False, "axes.spines.right": False}

# %% tags=["parameters"] small="vocab_size, dim, times = 600, 30, 8"
vocab_size, dim, times = 3000, 200, 30

# %% [markdown]
# ## 1. Concepts by name
#
# The words at both ends of an eigenvector name it. Which end is called positive means nothing.

# %%
stats = wf.load_statistics("enwiki15k-v3000").most_frequent(vocab_size)
problem = wf.Problem.from_statistics(stats)
spectrum = wf.leading_eigenpairs(problem, dim)
for k, feature in enumerate(wf.label_features(spectrum.leading(8), stats.words, n=5), 1):
    print(f"{k}  {feature.eigenvalue:5.0f}  {' '.join(feature.positive)}  <->  {' '.join(feature.negative)}")

# %% [markdown]
# Nearly all of these are among the rarer words of the vocabulary: frequent ones go with everything, and
# have small entries. `relative_to` compares each entry with those of words about as frequent; then
# words of every frequency come up, *his* and *government* too, which lean to one side more than their like.

# %%
relative = wf.label_features(spectrum.leading(8), stats.words, n=5, relative_to=stats.unigram)
for k, feature in enumerate(relative, 1):
    print(f"{k}  {' '.join(feature.positive)}  <->  {' '.join(feature.negative)}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
ranks = np.arange(1, vocab_size + 1)
left.plot(ranks, spectrum.eigenvectors[:, 1], ".", ms=2, color="0.6")
for end in (relative[1].positive, relative[1].negative):
    for word in end:
        place = stats.words.index(word)
        left.annotate(word, (place + 1, spectrum.eigenvectors[place, 1]), fontsize=8)
_ = left.set(xscale="log", xlabel="frequency rank", title="concept 2: one dot a word, some by name")
right.loglog(np.arange(1, dim + 1), spectrum.eigenvalues, ".")
_ = right.set(xlabel="concept", ylabel="$\\lambda$", title="a few strong concepts, many weak ones")

# %% [markdown]
# Left: the dots fan out towards rare words, so that raw extremes are rare. Right: eigenvalues fall like a
# power; time to learn a concept is $\propto 1/\lambda$, so each next one takes longer.
#
# ## 2. Two models side by side
#
# `embed` makes vectors from counts with no training run: word2vec's own logistic loss over all pairs, each
# word a regression on its contexts. Does it learn the same directions as the quartic theory?
# `match_directions` finds, for each concept, the direction of the other model that is most like it.

# %%
W = wf.embed(stats, dim)
match = wf.spectrum.match_directions(spectrum.eigenvectors[:, :12], wf.spectrum.principal_directions(W, 20))
print("matched to direction", match.order[:12] + 1)
print("cosines             ", match.cosines[:12].round(2))
print(f"shared by the spaces: {match.subspace_overlap:.3f}")

# %%
_ = plot_overlaps(match)

# %% [markdown]
# The same directions, in the same order. Two of `embed` are nobody's concept (the columns to the right): its
# first is a vector common to all words, which the other loss and two matrices bring along.
# Four squares together are two concepts of nearly the same eigenvalue, turned within their plane: single
# cosines see that, the space that they span is the same.
#
# ## 3. Analogies
#
# *france* is to *french* as *italy* is to ...? The answer is the word whose vector is nearest to
# $x_\text{french} - x_\text{france} + x_\text{italy}$. The pairs are written here by hand; every two pairs of
# a relation are a question.

# %%
relations = {
    "nationality": "france french germany german england english italy italian spain spanish russia russian "
    "china chinese japan japanese india indian greece greek ireland irish poland polish israel israeli "
    "turkey turkish europe european america american africa african asia asian",
    "capital": "france paris england london germany berlin russia moscow italy rome",
    "plural": "year years city cities country countries state states game games group groups system systems "
    "church churches language languages river rivers island islands school schools film films book books "
    "war wars member members",
    "past tense": "make made take took give gave find found know knew say said become became see saw write "
    "wrote begin began lead led win won hold held use used call called",
    "gender": "he she his her him her man woman men women father mother son daughter king queen brother "
    "sister husband wife",
    "opposite": "north south east west large small long short high low early late good bad old new left "
    "right hot cold first last upper lower up down before after above below more less",
    "comparative": "large larger high higher low lower great greater small smaller early earlier old older "
    "long longer late later close closer",
}
pairs = {
    name: list(zip(text.split()[::2], text.split()[1::2], strict=True)) for name, text in relations.items()
}
learned = spectrum.eigenvectors * np.sqrt(spectrum.eigenvalues)  # where training at constant G ends
asked = wf.semantics.pairwise_questions(pairs)
print("embed, from counts\n", wf.evaluate_analogies(W, stats.words, asked), sep="")
print("\nclosed form, V Lambda^(1/2)\n", wf.evaluate_analogies(learned, stats.words, asked), sep="")

# %% [markdown]
# `unknown` counts questions with a word outside the vocabulary; `of all` takes them as wrong. On 10,000
# words and Google's questions, `embed` answers 71%, gensim's word2vec 71%, in a tenth of the time,
# counting included # ([docs/embeddings.md](../docs/embeddings.md)).
#
# ## 4. Task vectors: is there one direction?
#
# Analogies work if the differences $r_n = x_{b_n} - x_{a_n}$ of a relation share a direction. But any few
# vectors have a direction along which they are longest. The question is what noise alone would give.
# `study_relations` takes the matrix $R$ of differences as mean plus noise with a variance of its own along
# each concept. Random-matrix theory then says where the noise ends (`edge`), and where the largest
# eigenvalue of $R R^\top$ must be if the mean is real (`predicted`).

# %%
study = wf.semantics.study_relations(learned, stats.words, pairs)
print(study)

# %%
figure, axes = plt.subplots(1, len(study.relations), figsize=(13, 2.8), layout="constrained", sharey=True)
for ax, (name, relation) in zip(axes, study.relations.items(), strict=True):
    eigenvalues = relation.singular_values**2 / relation.predicted.edge
    ax.plot(np.arange(1, len(eigenvalues) + 1), eigenvalues, "o", ms=4)
    ax.axhspan(0, 1, color="0.92")
    if relation.predicted.exists:
        ax.plot(1, relation.predicted.location / relation.predicted.edge, "+", color="C3", ms=14, mew=2)
    _ = ax.set(title=name, xlabel="number", ylim=(0, 9))
_ = axes[0].set_ylabel("eigenvalue of $R R^T$\nover the edge of noise")

# %% [markdown]
# *Grey: noise. Dots: measured. Red cross: the largest, predicted.* Where a relation has a direction, **one**
# dot stands above the noise, near its cross. *Opposite* has none: its pairs are opposed in ways of their
# own (*north* – *south* has nothing of *hot* – *cold*), and still more than half of its questions are
# answered rightly, because the two words are each other's neighbours. To answer analogies is no proof of
# a direction.
#
# The last column of the table tells which concepts carry it: *past tense* is carried by concept 1
# (scholarly description against narration), *nationality* by a dozen.
#
# ## 5. When relations emerge
#
# In training, concept $k$ is there from $t_k$ on. So a relation comes into view when the concepts that
# carry it do. `emergence_over_time` asks all questions along the closed-form trajectory.

# %%
W0 = wf.gaussian_init(jax.random.key(0), vocab_size, dim, scale=1e-2)
step_times = wf.predict_step_times(problem, W0, spectrum=spectrum)
ts = np.geomspace(step_times[0] / 2, 2 * np.nanmax(step_times), times)
course = wf.semantics.emergence_over_time(spectrum, stats.words, pairs, W0, ts)
print(course)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
plot_emergence(course, time_unit=step_times[0], ax=left)
_ = plot_emergence_order(course, time_unit=step_times[0], ax=right)

# %% [markdown]
# Open marks: from here on the pairs have a common direction outside the noise. Full marks: half of the
# final accuracy, on a bar of its 95% interval over pairs. Most directions are detectable within the first
# concepts; to *solve* takes ten times as long, when some twenty concepts tell a word from all of its
# neighbours. And they are solved almost together: the bars overlap (`course.precedes(one, other)` asks
# whether they do).
#
# Time orders by eigenvalue; so does dimension. The same in dimensions, each concept fully learned:

# %%
sizes = [k for k in (2, 4, 8, 16, 32, 64, 128, 200) if k <= dim]
over = wf.semantics.emergence_over_dimension(spectrum, stats.words, pairs, sizes)
print(over)

# %% [markdown]
# At last, watch it happen. Move the slider: the words of two relations in the plane that holds most of
# their pairs at the end, as concepts are learned one by one.

# %%
known = {name: relation for name, relation in pairs.items() if name in ("nationality", "gender")}
rows = {
    name: np.array(
        [[stats.words.index(word) for word in pair] for pair in relation if {*pair} <= {*stats.words}]
    )
    for name, relation in known.items()
}
shown = learned[np.concatenate([places.ravel() for places in rows.values()])]
middle = shown.mean(axis=0)
steps = np.stack([np.diff(learned[places], axis=1)[:, 0].mean(axis=0) for places in rows.values()])
plane = np.linalg.qr(steps.T)[0]


def draw(count, ax):
    """Draw words and pairs when so many concepts are learned."""
    for (name, places), colour in zip(rows.items(), ("C0", "C1"), strict=True):
        flat = (learned - middle)[:, :count] @ plane[:count]
        for pair in places[[0, *range(1, len(places), 2), -1]]:
            ax.plot(*flat[pair].T, "-", color=colour, lw=1)
            ax.plot(*flat[pair[1]], "o", color=colour, ms=4)
        for word in places[[0, -1]].ravel():
            ax.annotate(stats.words[word], flat[word], fontsize=8)
        ax.plot([], [], "o-", color=colour, label=name)
    reach = 1.1 * np.abs((shown - middle) @ plane).max(axis=0)
    ax.set(xlim=(-reach[0], reach[0]), ylim=(-reach[1], reach[1]))
    ax.set(xlabel="mean step of nationality", ylabel="mean step of gender")
    ax.legend(loc="lower right", fontsize=7)


slide(draw, [k for k in (1, 5, 20, 60, 200) if k <= dim], label="concepts", size=(3.8, 2.6))

# %% [markdown]
# With few concepts the pairs point anywhere; with all of them, those of a relation point one way.
#
# **Read next:** `06_interventions_and_influence` for where concepts come from: which documents, words and
# pairs. [docs/meaning.md](../docs/meaning.md) has the same with Google's questions at 10,000 words, and
# what was found on whether concrete concepts come before abstract ones. Vectors of your own, of any
# program: `wf.import_vectors("vectors.bin")`, and `w2vflow evaluate` on the command line.
