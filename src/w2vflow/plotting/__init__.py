"""Figures: arrays or results in, matplotlib Axes out."""

from w2vflow.plotting.animation import animate_learning
from w2vflow.plotting.directions import plot_overlaps
from w2vflow.plotting.emergence import plot_emergence, plot_emergence_order
from w2vflow.plotting.learning import (
    label_concepts,
    plot_concepts,
    plot_embedding_slice,
    plot_loss,
    plot_overlap_matrix,
    plot_persistence,
    plot_singular_values,
    plot_step_times,
)
from w2vflow.plotting.paper import (
    LearningRow,
    plot_concept_table,
    plot_concept_words,
    plot_init_scales,
    plot_learning,
)
from w2vflow.plotting.progress import plot_progress, plot_strengths
from w2vflow.plotting.slider import Slider, slide
from w2vflow.plotting.style import letter_panels, new_figure, publication, save_figure

__all__ = [
    "LearningRow",
    "Slider",
    "animate_learning",
    "label_concepts",
    "letter_panels",
    "new_figure",
    "plot_concept_table",
    "plot_concept_words",
    "plot_concepts",
    "plot_embedding_slice",
    "plot_emergence",
    "plot_emergence_order",
    "plot_init_scales",
    "plot_learning",
    "plot_loss",
    "plot_overlap_matrix",
    "plot_overlaps",
    "plot_persistence",
    "plot_progress",
    "plot_singular_values",
    "plot_step_times",
    "plot_strengths",
    "publication",
    "save_figure",
    "slide",
]
