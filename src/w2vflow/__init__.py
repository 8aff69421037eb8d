"""When, in which order and as which subspaces word2vec learns its concepts.

Counts of a corpus in; predictions in closed form, the gradient flow as an ODE and SGD over many
seeds out, on one time axis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2vflow.comparison import Comparison, compare, measure_step_times, subspace_overlap
    from w2vflow.corpus.catalog import load_statistics
    from w2vflow.corpus.cooccurrence import count
    from w2vflow.corpus.tokenfile import TokenFile, tokenize
    from w2vflow.flow import solve_flow
    from w2vflow.initial import gaussian_init, untied_init
    from w2vflow.losses import Logistic, Quartic, Taylor
    from w2vflow.problem import Problem
    from w2vflow.semantics.analogies import AnalogyScore, evaluate_analogies
    from w2vflow.semantics.features import label_features
    from w2vflow.sgd.descent import run_gd
    from w2vflow.sgd.ensemble import run_sgd, run_sgd_ensemble
    from w2vflow.sgd.streaming import run_stream
    from w2vflow.spectrum import Spectrum, extreme_eigenpairs, leading_eigenpairs
    from w2vflow.stability import stability_limit, stability_limit_at
    from w2vflow.statistics import CooccurrenceStatistics
    from w2vflow.theory.phases import Phase, predict_phases
    from w2vflow.theory.riccati import predict
    from w2vflow.theory.steps import predict_step_times, step_time_law
    from w2vflow.trajectory import Trajectory
    from w2vflow.weighting import Custom, Mikolov, Plain, RankOne, Symmetrized, Uniform, Unigram

__all__ = [
    "AnalogyScore",
    "Comparison",
    "CooccurrenceStatistics",
    "Custom",
    "Logistic",
    "Mikolov",
    "Phase",
    "Plain",
    "Problem",
    "Quartic",
    "RankOne",
    "Spectrum",
    "Symmetrized",
    "Taylor",
    "TokenFile",
    "Trajectory",
    "Uniform",
    "Unigram",
    "compare",
    "count",
    "evaluate_analogies",
    "extreme_eigenpairs",
    "gaussian_init",
    "label_features",
    "leading_eigenpairs",
    "load_statistics",
    "measure_step_times",
    "predict",
    "predict_phases",
    "predict_step_times",
    "run_gd",
    "run_sgd",
    "run_sgd_ensemble",
    "run_stream",
    "solve_flow",
    "stability_limit",
    "stability_limit_at",
    "step_time_law",
    "subspace_overlap",
    "tokenize",
    "untied_init",
]

__version__ = "0.1.0.dev0"

# Loaded at first use: counting, and its worker processes, never wait for JAX.
_HOMES = {
    "comparison": ("Comparison", "compare", "measure_step_times", "subspace_overlap"),
    "corpus.catalog": ("load_statistics",),
    "corpus.cooccurrence": ("count",),
    "corpus.tokenfile": ("TokenFile", "tokenize"),
    "flow": ("solve_flow",),
    "initial": ("gaussian_init", "untied_init"),
    "losses": ("Logistic", "Quartic", "Taylor"),
    "problem": ("Problem",),
    "semantics.analogies": ("AnalogyScore", "evaluate_analogies"),
    "semantics.features": ("label_features",),
    "sgd.descent": ("run_gd",),
    "sgd.ensemble": ("run_sgd", "run_sgd_ensemble"),
    "sgd.streaming": ("run_stream",),
    "spectrum": ("Spectrum", "extreme_eigenpairs", "leading_eigenpairs"),
    "stability": ("stability_limit", "stability_limit_at"),
    "statistics": ("CooccurrenceStatistics",),
    "theory.phases": ("Phase", "predict_phases"),
    "theory.riccati": ("predict",),
    "theory.steps": ("predict_step_times", "step_time_law"),
    "trajectory": ("Trajectory",),
    "weighting": ("Custom", "Mikolov", "Plain", "RankOne", "Symmetrized", "Uniform", "Unigram"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'w2vflow' has no attribute {name!r}")
    value = getattr(import_module(f"w2vflow.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
