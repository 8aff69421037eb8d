"""When, in which order and as which subspaces word2vec learns its concepts.

Counts of a corpus in; predictions in closed form, the gradient flow as an ODE and SGD over many
seeds out, on one time axis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2vflow.corpus.catalog import load_statistics
    from w2vflow.corpus.counting.count import count
    from w2vflow.corpus.documents.documents import count_documents
    from w2vflow.corpus.documents.token_file import TokenFile, tokenize
    from w2vflow.counts.reweighing import reweigh_words
    from w2vflow.counts.statistics import CooccurrenceStatistics
    from w2vflow.embeddings.alternating import embed
    from w2vflow.embeddings.associations import log_counts, pmi, ppmi
    from w2vflow.embeddings.factors import SingularTriplets, factor_embedding, singular_triplets
    from w2vflow.embeddings.vectors import WordVectors, export_vectors, import_vectors
    from w2vflow.flow import solve_flow
    from w2vflow.loading import load
    from w2vflow.problem.initial_weights import balanced_init, gaussian_init, untied_init
    from w2vflow.problem.losses import Logistic, Quartic, Taylor
    from w2vflow.problem.problem import Problem
    from w2vflow.problem.weightings import Custom, Mikolov, Plain, RankOne, Symmetrized, Uniform, Unigram
    from w2vflow.report.page import write_report
    from w2vflow.results.cloud import Cloud, concept_coordinates, embedding_cloud
    from w2vflow.results.comparison import Comparison, compare
    from w2vflow.results.step_times import measure_step_times
    from w2vflow.results.trajectory import Trajectory
    from w2vflow.semantics.analogies import AnalogyScore, evaluate_analogies
    from w2vflow.semantics.features import Feature, label_features, relative_entries
    from w2vflow.semantics.progress import Progress, fit_progress
    from w2vflow.semantics.questions import Questions, pairwise_questions, read_pairs, read_questions
    from w2vflow.semantics.relations.emergence import (
        Emergence,
        emergence_along,
        emergence_over_dimension,
        emergence_over_time,
    )
    from w2vflow.semantics.relations.outliers import effective_dimension, predict_outlier, signal_to_noise
    from w2vflow.semantics.relations.precedence import compare_groups, rank_correlation
    from w2vflow.semantics.relations.relations import relation_moments, study_relations, task_vectors
    from w2vflow.semantics.similarity import SimilarityScore, evaluate_similarity
    from w2vflow.sgd.ensemble import run_sgd, run_sgd_ensemble
    from w2vflow.sgd.full_batch import run_gd
    from w2vflow.sgd.noise.learning_rate import RecommendedRate, recommended_learning_rate
    from w2vflow.sgd.noise.stationary import stationary_noise
    from w2vflow.sgd.noise.step_times import step_time_noise
    from w2vflow.sgd.text_order import run_stream
    from w2vflow.spectrum.directions import (
        Match,
        align,
        common_rows,
        match_directions,
        principal_directions,
        subspace_overlap,
    )
    from w2vflow.spectrum.eigenpairs import extreme_eigenpairs, leading_eigenpairs
    from w2vflow.spectrum.spectrum import Spectrum
    from w2vflow.spectrum.stability import stability_limit, stability_limit_at
    from w2vflow.theory.corpora.bias import RarePairBias, document_bias, rare_pair_bias
    from w2vflow.theory.corpora.concept_changes import ConceptChanges, concept_changes
    from w2vflow.theory.corpora.influence import (
        changed_spectrum,
        count_influence,
        document_influence,
        pmi_influence,
        strongest_influences,
        word_influence,
    )
    from w2vflow.theory.corpora.sensitivity import changed_step_times, step_time_slopes
    from w2vflow.theory.corpora.uncertainty import (
        SamplingUncertainty,
        document_uncertainty,
        poisson_uncertainty,
    )
    from w2vflow.theory.exact.phases import Phase, predict_phases
    from w2vflow.theory.exact.predict import predict
    from w2vflow.theory.exact.schedules import schedule_phases
    from w2vflow.theory.ladder import Ladder, predict_ladder
    from w2vflow.theory.muon import muon_step_times, muon_strengths
    from w2vflow.theory.solvable import SolvableCorpus, binary_attributes, interval, ring
    from w2vflow.theory.step_times.law import estimate_step_time_errors, predict_step_times, step_time_law
    from w2vflow.theory.step_times.modes import degenerate_groups
    from w2vflow.theory.step_times.scaling import (
        PowerLaw,
        effective_rank,
        fit_power_law,
        participation_ratio,
        predict_rank,
        silent_alignment,
        step_visibility,
        visible_steps,
    )

__all__ = [
    "AnalogyScore",
    "Cloud",
    "Comparison",
    "ConceptChanges",
    "CooccurrenceStatistics",
    "Custom",
    "Emergence",
    "Feature",
    "Ladder",
    "Logistic",
    "Match",
    "Mikolov",
    "Phase",
    "Plain",
    "PowerLaw",
    "Problem",
    "Progress",
    "Quartic",
    "Questions",
    "RankOne",
    "RarePairBias",
    "RecommendedRate",
    "SamplingUncertainty",
    "SimilarityScore",
    "SingularTriplets",
    "SolvableCorpus",
    "Spectrum",
    "Symmetrized",
    "Taylor",
    "TokenFile",
    "Trajectory",
    "Uniform",
    "Unigram",
    "WordVectors",
    "align",
    "balanced_init",
    "binary_attributes",
    "changed_spectrum",
    "changed_step_times",
    "common_rows",
    "compare",
    "compare_groups",
    "concept_changes",
    "concept_coordinates",
    "count",
    "count_documents",
    "count_influence",
    "degenerate_groups",
    "document_bias",
    "document_influence",
    "document_uncertainty",
    "effective_dimension",
    "effective_rank",
    "embed",
    "embedding_cloud",
    "emergence_along",
    "emergence_over_dimension",
    "emergence_over_time",
    "estimate_step_time_errors",
    "evaluate_analogies",
    "evaluate_similarity",
    "export_vectors",
    "extreme_eigenpairs",
    "factor_embedding",
    "fit_power_law",
    "fit_progress",
    "gaussian_init",
    "import_vectors",
    "interval",
    "label_features",
    "leading_eigenpairs",
    "load",
    "load_statistics",
    "log_counts",
    "match_directions",
    "measure_step_times",
    "muon_step_times",
    "muon_strengths",
    "pairwise_questions",
    "participation_ratio",
    "pmi",
    "pmi_influence",
    "poisson_uncertainty",
    "ppmi",
    "predict",
    "predict_ladder",
    "predict_outlier",
    "predict_phases",
    "predict_rank",
    "predict_step_times",
    "principal_directions",
    "rank_correlation",
    "rare_pair_bias",
    "read_pairs",
    "read_questions",
    "recommended_learning_rate",
    "relation_moments",
    "relative_entries",
    "reweigh_words",
    "ring",
    "run_gd",
    "run_sgd",
    "run_sgd_ensemble",
    "run_stream",
    "schedule_phases",
    "signal_to_noise",
    "silent_alignment",
    "singular_triplets",
    "solve_flow",
    "stability_limit",
    "stability_limit_at",
    "stationary_noise",
    "step_time_law",
    "step_time_noise",
    "step_time_slopes",
    "step_visibility",
    "strongest_influences",
    "study_relations",
    "subspace_overlap",
    "task_vectors",
    "tokenize",
    "untied_init",
    "visible_steps",
    "word_influence",
    "write_report",
]

__version__ = "0.1.0.dev0"

# Loaded at first use: counting, and its worker processes, never wait for JAX.
_HOMES = {
    "results.cloud": "Cloud concept_coordinates embedding_cloud",
    "results.comparison": "Comparison compare",
    "corpus.catalog": "load_statistics",
    "corpus.counting.count": "count",
    "corpus.documents.documents": "count_documents",
    "corpus.documents.token_file": "TokenFile tokenize",
    "spectrum.directions": "Match align common_rows match_directions principal_directions subspace_overlap",
    "flow": "solve_flow",
    "problem.initial_weights": "balanced_init gaussian_init untied_init",
    "loading": "load",
    "problem.losses": "Logistic Quartic Taylor",
    "results.step_times": "measure_step_times",
    "sgd.noise.learning_rate": "RecommendedRate recommended_learning_rate",
    "sgd.noise.stationary": "stationary_noise",
    "sgd.noise.step_times": "step_time_noise",
    "problem.problem": "Problem",
    "counts.reweighing": "reweigh_words",
    "report.page": "write_report",
    "semantics.analogies": "AnalogyScore evaluate_analogies",
    "embeddings.associations": "log_counts pmi ppmi",
    "embeddings.alternating": "embed",
    "semantics.relations.emergence": "Emergence emergence_along emergence_over_dimension emergence_over_time",
    "embeddings.factors": "SingularTriplets factor_embedding singular_triplets",
    "semantics.features": "Feature label_features relative_entries",
    "semantics.relations.outliers": "effective_dimension predict_outlier signal_to_noise",
    "semantics.relations.precedence": "compare_groups rank_correlation",
    "semantics.progress": "Progress fit_progress",
    "semantics.questions": "Questions pairwise_questions read_pairs read_questions",
    "semantics.relations.relations": "relation_moments study_relations task_vectors",
    "semantics.similarity": "SimilarityScore evaluate_similarity",
    "embeddings.vectors": "WordVectors export_vectors import_vectors",
    "sgd.full_batch": "run_gd",
    "sgd.ensemble": "run_sgd run_sgd_ensemble",
    "sgd.text_order": "run_stream",
    "theory.solvable": "SolvableCorpus binary_attributes interval ring",
    "spectrum.spectrum": "Spectrum",
    "spectrum.eigenpairs": "extreme_eigenpairs leading_eigenpairs",
    "spectrum.stability": "stability_limit stability_limit_at",
    "counts.statistics": "CooccurrenceStatistics",
    "theory.corpora.bias": "RarePairBias document_bias rare_pair_bias",
    "theory.corpora.influence": "changed_spectrum count_influence document_influence pmi_influence "
    "strongest_influences word_influence",
    "theory.corpora.concept_changes": "ConceptChanges concept_changes",
    "theory.exact.schedules": "schedule_phases",
    "theory.ladder": "Ladder predict_ladder",
    "theory.step_times.modes": "degenerate_groups",
    "theory.muon": "muon_step_times muon_strengths",
    "theory.exact.phases": "Phase predict_phases",
    "theory.exact.predict": "predict",
    "theory.step_times.scaling": "PowerLaw effective_rank fit_power_law participation_ratio predict_rank "
    "silent_alignment step_visibility visible_steps",
    "theory.corpora.sensitivity": "changed_step_times step_time_slopes",
    "theory.step_times.law": "estimate_step_time_errors predict_step_times step_time_law",
    "theory.corpora.uncertainty": "SamplingUncertainty document_uncertainty poisson_uncertainty",
    "results.trajectory": "Trajectory",
    "problem.weightings": "Custom Mikolov Plain RankOne Symmetrized Uniform Unigram",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'w2vflow' has no attribute {name!r}")
    value = getattr(import_module(f"w2vflow.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
