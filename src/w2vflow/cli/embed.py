"""`w2vflow embed`: word vectors from counts, with no training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

import w2vflow as wf
from w2vflow.cli.console import OptionalInt, Settings, set_up_jax
from w2vflow.cli.sources import load_counts, size_of_counts
from w2vflow.support.checks import argument_error, check_dimension
from w2vflow.support.plan import Plan

__all__ = ["Embed", "Format", "vector_format"]

Format = Literal["word2vec-text", "word2vec-binary", "safetensors", "tensorboard"]

_BY_ENDING: dict[str, Format] = {
    ".txt": "word2vec-text",
    ".vec": "word2vec-text",
    ".bin": "word2vec-binary",
    ".safetensors": "safetensors",
}


@dataclass(frozen=True)
class Embed:
    """Make word vectors from co-occurrence counts, with no training.

    What word2vec learns step by step has a closed form: a factorisation of the counts. From a text to
    vectors that gensim, and all else that reads word2vec's files, loads, and to their score:

        w2vflow count my-texts/ --out counts.npz
        w2vflow embed counts.npz --out vectors.bin
        w2vflow evaluate vectors.bin --questions questions-words.txt
    """

    statistics: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="STATISTICS")]]
    """File of `w2vflow count`, or statistics that `w2vflow datasets` lists."""
    out: Path
    """.bin for word2vec's binary format, .txt or .vec for text, .safetensors; other names need `--format`."""
    dim: int = 200
    """Dimension of the vectors, at most the number of words."""
    vocab_size: OptionalInt = None
    """How many of the most frequent words to use; all by default."""
    format: Format | None = None
    """Where the ending does not say it; tensorboard is a folder of two files for the projector."""
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Compute the vectors and write them."""
        console, written = self.output.console(), self.format or vector_format(self.out)
        if self.output.dry_run:
            return console.plan(self._plan(), self.out.parent)
        console.folder(self.out.parent)
        set_up_jax()
        console("counts")
        stats = load_counts(self.statistics, self.vocab_size)
        check_dimension(self.dim, stats.vocab_size)
        console(f"vectors of {stats.vocab_size:,} words")
        vectors = wf.embed(stats, dim=self.dim)
        console("file")
        wf.export_vectors(self.out, vectors, stats.words, written)
        seen = stats.counts.nnz / stats.vocab_size**2
        line = f"{stats.vocab_size:,} words in {self.dim} dimensions, from {seen:.1%} of all pairs seen."
        record = {"words": stats.vocab_size, "dim": self.dim, "pairs_seen": seen, "format": written}
        console.result(["", line], record, [self.out])

    def _plan(self) -> Plan:
        return wf.experiments.plan_embed(*size_of_counts(self.statistics, self.vocab_size), self.dim)


def vector_format(out: Path) -> Format:
    """Return the format that the ending of a file of vectors stands for; raise `ValueError` if for none."""
    ending = Path(out.stem).suffix if out.suffix == ".gz" else out.suffix
    if ending not in _BY_ENDING or (out.suffix == ".gz" and ending == ".safetensors"):
        expected = f"a file name ending in one of {', '.join(_BY_ENDING)}"
        raise argument_error("out", expected, out, "Or say which `--format` it is to have.")
    return _BY_ENDING[ending]
