"""What kind of file a text is, by its first bytes."""

import re
from collections import Counter

from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import PACKED, packed_as

__all__ = ["check_is_text", "markup_kind"]

_BINARY = (
    (b"%PDF-", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "a document of an old Office"),
    (b"{\\rtf", "a document in RTF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\0", "an image"),
    (b"MM\0*", "an image"),
    (b"RIFF", "an image, a sound or a film"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound"),
    (b"fLaC", "a sound"),
    (b"SQLite format 3\0", "a database of SQLite"),
    (b"\x89HDF\r\n", "a file of HDF5"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"ARROW1\0\0", "a file of Arrow"),
    (b"Obj\x01", "a file of Avro"),
    (b"7z\xbc\xaf", "packed with 7-Zip"),
    (b"Rar!\x1a", "packed with RAR"),
    (b"\x7fELF", "a program"),
    (b"%!PS", "a page in PostScript"),
    (b"AT&TFORM", "a scan in DjVu"),
    (b"WARC/1.", "an archive of web pages"),
)
_ZIP = "a zip archive, as files of Word, Excel, OpenOffice and e-books are"
# A pickle names the version of its protocol; two bytes alone could be letters of some code.
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95(\]}cX\x8c]", re.DOTALL)
_REMEDIES = {
    "packed": "Unpack it first.",
    "an archive": "Take the text out of it first.",
    "a database": "Take the text out of it first.",
    "a zip": "Save the text in it as plain text first, or unpack it.",
}
_FIRST_TAG = re.compile(
    r"(?:<\?xml[^>]*>\s*|<\?[^>]*\?>\s*|<!--.*?-->\s*|<!DOCTYPE(?!\s+html)[^>]*>\s*)*"
    r"<([A-Za-z][\w:.-]*)",
    re.DOTALL,
)
# fmt: off
_HTML = frozenset((
    "html", "head", "body", "p", "div", "span", "a", "li", "ul", "ol", "td", "tr", "table", "h1", "h2", "h3",
    "b", "i", "em", "strong", "title", "script", "style", "small", "font", "center", "button", "section",
))
# fmt: on
_CUE = re.compile(r"\d+[ \t]*\r?\n\d{1,2}:\d\d:\d\d[,.]\d{1,3} --> ")
_TOKEN_LINE = re.compile(r"\d+(?:[-.]\d+)?(?:\t[^\t]+){9}")


def check_is_text(head: bytes, name: str) -> None:
    """Raise `ValueError` if the first bytes are those of a file that is no text, saying of which kind."""
    found = next((kind for mark, kind in _BINARY if head.startswith(mark)), None)
    if packed := packed_as(head):
        found = _ZIP if packed == ".zip" else f"packed with {PACKED[packed]}"
    if _PICKLE.match(head):
        found = "a pickle of Python"
    if head[257:262] == b"ustar":
        found = "an archive of tar"
    if head.startswith((b"ID3", b"RIFF", b"GIF8", b"Rar!\x1a")) and b"\0" not in head and head.isascii():
        found = None  # words that begin like these
    if found:
        remedy = next((r for k, r in _REMEDIES.items() if found.startswith(k)), "Convert it to text first.")
        raise argument_error("paths", "text", f"{name}, which is {found}", remedy)


def markup_kind(head: str, name: str) -> str | None:
    """Return the reader for the markup that a text begins with: of articles, or None for plain text.

    Raises:
        ValueError: markup or annotation that is not to be counted as words, plainly so.
    """
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("<doc "):
        return "wikiextractor"
    first = _FIRST_TAG.match(start)
    if first and first[1] in ("mediawiki", "page") and (first[1] == "mediawiki" or "<title>" in start):
        return "mediawiki"
    kind, remedy = _other_markup(start, first[1] if first else "")
    if kind:
        lines = 'or pass `reader="lines"` to have all of it counted.'
        raise argument_error("paths", "text", f"{name}, which is {kind}", f"{remedy}, {lines}")
    return None


def _other_markup(start: str, tag: str) -> tuple[str, str]:
    if re.match(r"<!doctype html|<html[\s>]", start, re.IGNORECASE) or tag.lower() == "html":
        return "HTML", "Take the text out of it first (trafilatura does)"
    if tag and (start.startswith(("<?xml", "<!DOCTYPE")) or tag.lower() in ("tei", "teicorpus", "tei.2")):
        return f"XML (<{tag}>)", "Take the text out of it first"
    if tag:
        closed = Counter(name.lower() for name in re.findall(r"</([A-Za-z][\w:.-]*)\s*>", start))
        # More than a tag in a hundred characters, of several names: some prose has sentences in <s>.
        if len(closed) >= 3 and sum(closed.values()) * 100 >= len(start):
            kind = "HTML" if set(closed) <= _HTML else "XML"
            return f"{kind} (<{tag}>)", "Take the text out of it first"
    if start.startswith("WEBVTT") or _CUE.match(start):
        return "subtitles with their times", "Remove numbers and times first"
    lines = [line for line in start.split("\n")[:-1] if line.strip() and line[0] != "#"][:20]
    if lines and all(_TOKEN_LINE.fullmatch(line.rstrip("\r")) for line in lines):
        return (
            "CoNLL-U, a token a line",
            "Take the words (its second column) or the `# text` lines out of it first",
        )
    return "", ""
