"""Words that the rule `unicode` cuts, language by language, beside those of an independent reader.

    python validation/languages.py LANGUAGES [--shown 5]

LANGUAGES is a folder of texts named by their language: `de.txt`, `el.txt`. The other reader are ICU's word
boundaries (`pip install PyICU`), else uniseg's: Unicode Standard Annex 29; of its pieces those with a letter,
in normal form NFKC and lower case, are words. Prints the summary of a count that chooses for itself (`auto`)
with what it warns of; how many words `unicode` cuts; the share that the other reader cuts as well; and how
many it cuts otherwise, with examples, by the signs that one has within words and the other has not.
"""

import argparse
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import regex

import w2vflow as wf
from w2vflow.corpus import tokenizer

LETTER = regex.compile(r"\p{L}")
FORMAT = regex.compile(r"[\p{Cf}--[\u200c\u200d]]", regex.V1)
SIGN = regex.compile(r"[^\p{L}\p{M}]")


def independent_reader(language: str) -> tuple[str, Callable[[str], list[str]]]:
    """Return the name of the other reader, and what it cuts a text into."""
    try:
        import icu
    except ImportError:
        import uniseg
        from uniseg.wordbreak import words

        return f"uniseg {uniseg.__version__}", lambda text: list(words(text))
    breaks = icu.BreakIterator.createWordInstance(icu.Locale(language))

    def pieces(text: str) -> list[str]:
        # Bounds count UTF-16's units.
        units = text.encode("utf-16-le")
        breaks.setText(text)
        bounds = [0, *breaks]
        return [units[2 * a : 2 * b].decode("utf-16-le") for a, b in pairwise(bounds)]

    return f"ICU {icu.ICU_VERSION}", pieces


def normal(word: str) -> str:
    # Signs of format, and the dot of Turkish's capital I, are not seen.
    shown = FORMAT.sub("", unicodedata.normalize("NFKC", word)).lower().replace("i\u0307", "i")
    return unicodedata.normalize("NFKC", shown)


def differences(text: str, pieces: Callable[[str], list[str]]) -> tuple[int, int, dict[str, Counter[str]]]:
    """Return how many words `unicode` cuts, how many the other reader too, and what differs by signs."""
    cut, total, same = tokenizer("unicode"), 0, 0
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for chunk, times in Counter(text.split()).items():
        ours = list(cut(chunk))
        theirs = [normal(piece) for piece in pieces(chunk) if LETTER.search(piece)]
        total += times * len(ours)
        matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
        for kind, a, b, c, d in matcher.get_opcodes():
            if kind == "equal":
                same += times * (b - a)
                continue
            signs = [set(SIGN.findall("".join(words))) for words in (ours[a:b], theirs[c:d])]
            which = "".join(sorted(signs[0] ^ signs[1])) or "letters alone"
            which = "digits" if which.isdecimal() else which
            found[which][f"{' '.join(ours[a:b])} | {' '.join(theirs[c:d])}"] += times
    return total, same, found


def report(path: Path, shown: int) -> None:
    text = path.read_text(encoding="utf-8")
    name, pieces = independent_reader(path.stem)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        summary = wf.count(path, vocab_size=100, workers=1).metadata["corpus_summary"]
    print(f"\n{path.stem}: {summary}")
    for warning in told:
        print(f"  warns: {warning.message}")
    total, same, found = differences(text, pieces)
    print(f"  unicode: {total:,} words, {same / max(total, 1):.2%} as {name}")
    for signs, examples in sorted(found.items(), key=lambda item: -item[1].total())[:shown]:
        names = ", ".join(unicodedata.name(s, repr(s)) for s in signs) if not signs.isalpha() else signs
        names = signs if signs in ("digits", "letters alone") else names
        few = "; ".join(f"{words} ({times})" for words, times in examples.most_common(shown))
        print(f"    {names}: {examples.total():,}: {few}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shown", type=int, default=5)
    a = parser.parse_args()
    files = sorted(a.folder.glob("*.txt"))
    if not files:
        raise SystemExit(f"{a.folder} has no files named by language, as de.txt")
    for path in files:
        report(path, a.shown)
    print(f"\n{len(files)} languages")


if __name__ == "__main__":
    main()
