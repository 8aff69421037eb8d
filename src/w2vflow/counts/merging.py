"""Statistics of parts of a corpus as those of the whole."""

from w2vflow.counts.statistics import CooccurrenceStatistics
from w2vflow.counts.units import added
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["merge"]


@checked
def merge(one: CooccurrenceStatistics, other: CooccurrenceStatistics) -> CooccurrenceStatistics:
    """Return the statistics of two corpora together, exactly as if they had been counted as one.

    Args:
        one, other: counted by the same rule with the same vocabulary in the same order. Either may lack some
            of the words.

    Raises:
        ValueError: vocabularies or rules that differ, or subsampled counts, whose probabilities
            depend on the whole corpus.
    """
    if one.words != other.words:
        pairs = zip(one.words, other.words, strict=False)
        rows = [row for row, (ours, theirs) in enumerate(pairs) if ours != theirs]
        sizes = f"{other.vocab_size} words against {one.vocab_size}"
        got = f"another word in row {rows[0]}" if rows else sizes
        expected = "counted with the same vocabulary in the same order"
        raise argument_error("other", expected, got, "Count both with `vocabulary=` the same words.")
    if one.directions != other.directions:
        expected = f"counted by the same rule: directions = {one.directions!r}"
        raise argument_error("other", expected, repr(other.directions))
    for name in sorted({*one.metadata, *other.metadata} - {"source"}):
        values = one.metadata.get(name), other.metadata.get(name)
        if not name.startswith("corpus_") and values[0] != values[1]:
            expected = f"counted by the same rule: {name} = {values[0]!r}"
            raise argument_error("other", expected, repr(values[1]))
    if one.metadata.get("subsampling", "none") != "none":
        got = one.metadata["subsampling"]
        raise argument_error("one", "counted without subsampling", got, "Subsample after merging.")
    counts, denominator = added(one.counts, other.counts, (one.denominator, other.denominator))
    summed = ("corpus_documents", "corpus_tokens", "corpus_invalid_utf8_replaced")
    facts = {
        n: one.metadata[n] + other.metadata[n] for n in summed if n in one.metadata and n in other.metadata
    }
    skipped = sum(s.metadata.get("corpus_pages_skipped", 0) for s in (one, other))
    facts |= {"corpus_pages_skipped": skipped} if skipped else {}
    # Distinct words of both together are not known from the counts.
    metadata = {n: v for n, v in one.metadata.items() if not n.startswith("corpus_")} | facts
    metadata["source"] = "; ".join(dict.fromkeys(str(s.metadata.get("source", "")) for s in (one, other)))
    unigram = one.unigram + other.unigram
    return CooccurrenceStatistics(one.words, counts, unigram, metadata, denominator, one.directions)
