"""MediaWiki dumps as a stream of documents: the prose of the articles."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError, iterparse

from w2vflow.corpus.reading.facts import FileFacts
from w2vflow.support.checks import argument_error

if TYPE_CHECKING:
    from _typeshed import SupportsRead

__all__ = ["read_dump"]

_UNSEEN_NAMESPACES = ("file", "image", "category")
# Siteinfo lacks the aliases a wiki has for "File" (`Bild`, `Imagen`, ...); what is linked tells.
_MEDIA_FILE = re.compile(
    r"[^:]+:.+\.(?:jpe?g|png|gif|svg|tiff?|webp|xcf|pdf|djvu|og[agv]|opus|wav|mp3|flac|midi?|webm|stl)",
    re.IGNORECASE,
)
# Links to the same article in other languages stood in the text before Wikidata; they are shown aside.
_OTHER_LANGUAGE = re.compile(r"(?:[a-z]{2,3}|simple)(?:-[a-z]+)*")
_UNSEEN_TAGS = {
    *("categorytree", "ce", "chem", "code", "gallery", "graph", "hiero", "imagemap", "includeonly"),
    *("indicator", "inputbox", "mapframe", "maplink", "math", "pre", "ref", "references", "score", "section"),
    *("source", "style", "syntaxhighlight", "table", "templatedata", "templatestyles", "timeline"),
}
# Without line ends the words before and after would become one.
_LINES_OF_THEIR_OWN = {"blockquote", "br", "center", "dd", "div", "dt", "hr", "li", "p", "poem"}
# The parser knows a table by a line that starts with its markup.
_TABLE_INDENT = re.compile(r"^[ \t:]+(?=\{\|)", re.MULTILINE)
# What the parser takes for text: behaviour switches, quotes of bold and italics, rows of tables and tags
# that a template or nobody closes, and halves of characters, which no file can hold.
_LEFTOVERS = re.compile(
    r"__[^\W\da-z]+?__|'{2,}|[\ud800-\udfff]"
    # Heads of columns begin with "!", beside other rows or with marks of their own: the !Kung are people.
    r"|^(?:[ \t:*#]*!.*\n)*[ \t:*#]*(?:\{\||\|).*(?:\n[ \t:*#]*[|!].*)*$"
    r"|^[ \t:*#]*!(?:[ \t]|.*(?:!!|\|)).*$"
    r"|(?i:</?(?:big|blockquote|br|center|div|font|nowiki|p|ref|small|span|sub|sup)\b[^<>]*>)",
    re.MULTILINE,
)
# Of a page, which MediaWiki holds to 2 MB, or of anything between two; and of elements within elements.
_LONGEST_PAGE, _DEEPEST = 64 * 10**6, 100
_BLANK_LINES = re.compile(r"\n\s*\n")


def read_dump(stream: "SupportsRead[bytes]", name: str, facts: FileFacts | None = None) -> Iterator[str]:
    r"""Yield the articles of a MediaWiki `pages-articles` dump, in order, one page in memory at a time.

    An article is a page of namespace 0 that is no redirect. Its document is what WikiExtractor writes:
    the title, an empty line, the text. Left out is what a reader does not see or what is no prose:
    templates, tables, references, comments, links to files and categories, formulas, code, galleries.
    Links keep their visible text. An article without text is its title alone.

    Args:
        stream: the XML, unpacked, in any version of the export schema.
        name: what messages call the stream, such as its path.
        facts: told how many pages the parser could not follow, as of templates nested 1,000 deep; these are
            skipped.

    Raises:
        ValueError: XML that breaks off, is malformed or is no MediaWiki dump; a page of more than 64 MB.
        ImportError: `mwparserfromhell` is not installed.

    References:
        https://www.mediawiki.org/wiki/Help:Export#Export_format

    Example:
        >>> import io
        >>> page = b"<page><title>Cat</title><ns>0</ns><revision><text>A [[pet]].</text></revision></page>"
        >>> list(read_dump(io.BytesIO(b"<mediawiki>" + page + b"</mediawiki>"), "cats.xml"))
        ['Cat\n\nA pet.\n']
    """
    strip, facts = _stripper(_UNSEEN_NAMESPACES), facts or FileFacts()
    pages, depth = _Page(stream), 1
    try:
        events = iterparse(pages, events=("start", "end"))
        _, root = next(events)
        if _tag(root) != "mediawiki":
            raise _broken(name, f"the outermost element is <{_tag(root)}>")
        for event, element in events:
            depth += 1 if event == "start" else -1
            if depth > _DEEPEST:
                raise _broken(name, f"more than {_DEEPEST} elements within each other")
            if event == "start":
                continue
            if _tag(element) == "siteinfo":
                strip = _stripper((*_UNSEEN_NAMESPACES, *_local_names(element)))
            elif _tag(element) == "page":
                if _is_article(element):
                    try:
                        document = _document(element, strip)
                    except (RecursionError, _parser_error()):
                        facts.pages_skipped += 1
                    else:
                        yield document
                # Emptying the page alone would leave one element a page in the root.
                root.clear()
                pages.read_bytes = 0
    except ParseError as error:
        reason = f"a page of more than {_LONGEST_PAGE // 10**6} MB" if pages.is_too_long else str(error)
        raise _broken(name, reason) from error


class _Page:
    """A stream that counts what is read of a page, and ends where that is too much to hold."""

    def __init__(self, stream: "SupportsRead[bytes]") -> None:
        self._stream, self.read_bytes = stream, 0

    @property
    def is_too_long(self) -> bool:
        """Whether the page is longer than any that MediaWiki writes."""
        return self.read_bytes > _LONGEST_PAGE

    def read(self, size: int = -1) -> bytes:
        if self.is_too_long:
            return b""
        part = self._stream.read(size)
        self.read_bytes += len(part)
        return part


def _broken(name: str, reason: str) -> ValueError:
    got = f"{name}, which breaks off or is malformed ({reason})"
    remedy = "Fetch it again, a `pages-articles` dump."
    return argument_error("paths", "a whole MediaWiki dump", got, remedy)


def _parser_error() -> type[Exception]:
    from mwparserfromhell.parser import ParserError

    return ParserError


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _local_names(siteinfo: Element) -> list[str]:
    """Return what this wiki calls its namespaces of files (6) and categories (14)."""
    namespaces = siteinfo.iterfind("{*}namespaces/{*}namespace")
    return [space.text for space in namespaces if space.get("key") in ("6", "14") and space.text]


def _is_article(page: Element) -> bool:
    return page.findtext("{*}ns", "").strip() == "0" and page.find("{*}redirect") is None


def _document(page: Element, strip: Callable[[str], str]) -> str:
    title = page.findtext("{*}title", "").strip()
    # Dumps with a history run from the oldest revision to the current one.
    revisions = page.findall("{*}revision/{*}text")
    text = strip(revisions[-1].text or "") if revisions else ""
    return f"{title}\n\n{text}\n" if text else f"{title}\n"


def _stripper(unseen_namespaces: Iterable[str]) -> Callable[[str], str]:
    """Return the function from wikitext to visible prose, given the namespaces whose links are unseen."""
    try:
        import mwparserfromhell
        from mwparserfromhell import nodes
    except ImportError as error:
        raise ImportError(
            "Reading a MediaWiki dump needs mwparserfromhell: pip install 'w2vflow[dumps]'"
        ) from error
    unseen = {name.casefold() for name in unseen_namespaces}

    def is_unseen_link(link: nodes.Wikilink) -> bool:
        title = str(link.title).strip()
        namespace = title.partition(":")[0].replace("_", " ").strip()
        if namespace.casefold() in unseen or _MEDIA_FILE.fullmatch(title):
            return True
        return link.text is None and ":" in title and bool(_OTHER_LANGUAGE.fullmatch(namespace))

    def prune(code: mwparserfromhell.wikicode.Wikicode) -> None:
        kept: list[nodes.Node] = []
        for node in code.nodes:
            if isinstance(node, nodes.Tag):
                tag = str(node.tag).strip().lower()
                if tag in _UNSEEN_TAGS:
                    continue
                alone = tag in _LINES_OF_THEIR_OWN and not node.wiki_markup
                kept += [nodes.Text("\n"), node, nodes.Text("\n")] if alone else [node]
                if node.contents is not None:
                    prune(node.contents)
            elif not isinstance(node, nodes.Wikilink):
                kept.append(node)
                if isinstance(node, nodes.Heading | nodes.ExternalLink) and node.title is not None:
                    prune(node.title)
            elif not is_unseen_link(node):
                kept.append(node)
                if node.text is not None:
                    prune(node.text)
        code.nodes = kept

    def strip(markup: str) -> str:
        # Bold and italics that overlap other markup would keep it from being recognised.
        code = mwparserfromhell.parse(_TABLE_INDENT.sub("", markup), skip_style_tags=True)
        prune(code)
        return _BLANK_LINES.sub("\n\n", _LEFTOVERS.sub("", code.strip_code())).strip()

    return strip
