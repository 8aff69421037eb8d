"""MediaWiki dumps written here, page by page, and what a reader of the wiki would see of them."""

import bz2
import io
import sys
import tracemalloc
from xml.etree.ElementTree import iterparse
from xml.sax.saxutils import escape

import pytest
from texts import read_documents

import w2vflow as wf
from w2vflow.corpus.reading import mediawiki as dumps
from w2vflow.corpus.reading.files import read_blocks
from w2vflow.corpus.reading.mediawiki import read_dump

SITEINFO = (
    '<siteinfo><namespaces><namespace key="0" case="first-letter"/><namespace key="1">Talk</namespace>'
    '<namespace key="6">{file}</namespace><namespace key="14">{category}</namespace></namespaces></siteinfo>'
)


def page(title, text, *, namespace=0, redirect=False):
    to = '<redirect title="Elsewhere"/>' if redirect else ""
    return (
        f"<page>\n  <title>{escape(title)}</title><ns>{namespace}</ns><id>1</id>{to}\n  <revision><id>2</id>"
        f"<contributor><username>A. Nonymous</username></contributor><model>wikitext</model>"
        f'<text bytes="{len(text)}" xml:space="preserve">{escape(text)}</text></revision>\n</page>\n'
    )


def dump(*pages, schema="0.11", file="File", category="Category"):
    site = SITEINFO.format(file=file, category=category)
    opening = f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-{schema}/" xml:lang="en">\n'
    return (opening + site + "".join(pages) + "</mediawiki>\n").encode()


def articles(xml):
    return list(read_dump(io.BytesIO(xml), "dump.xml"))


def prose(markup, **wiki):
    """The text under the title, in which tokens count and the amount of white space does not."""
    (document,) = articles(dump(page("T", markup), **wiki))
    title, *lines = document.split("\n")
    assert title == "T"
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize("schema", ["0.6", "0.10", "0.11"])
def test_only_articles_are_read(schema):
    xml = dump(
        page("Cat", "The cat is a small animal.\n\nIt purrs."),
        page("Talk:Cat", "Is it?", namespace=1),
        page("Kitty", "#REDIRECT [[Cat]]", redirect=True),
        page("Template:Cat", "{{{1}}}", namespace=10),
        page("Dog", "The dog barks."),
        schema=schema,
    )
    assert articles(xml) == ["Cat\n\nThe cat is a small animal.\n\nIt purrs.\n", "Dog\n\nThe dog barks.\n"]


def test_a_dump_without_schema_or_siteinfo_is_read():
    assert articles(f"<mediawiki>{page('A & B', 'x')}</mediawiki>".encode()) == ["A & B\n\nx\n"]


def test_a_dump_without_pages_has_no_documents():
    assert articles(dump()) == []


@pytest.mark.parametrize("text", ["", "\n", "{{Disambiguation}}", "<!-- soon -->\n[[Category:Stubs]]"])
def test_an_article_without_text_is_its_title(text):
    assert articles(dump(page("Nothing", text))) == ["Nothing\n"]


def test_a_text_taken_down_leaves_the_title():
    taken = '<page><title>Gone</title><ns>0</ns><revision><text deleted="deleted"/></revision></page>'
    never = "<page><title>Bare</title><ns>0</ns></page>"
    assert articles(dump(taken, never)) == ["Gone\n", "Bare\n"]


def test_the_current_revision_is_read():
    old = "<revision><text>old</text></revision><revision>"
    assert articles(dump(page("T", "new").replace("<revision>", old, 1))) == ["T\n\nnew\n"]


@pytest.mark.parametrize(
    ("markup", "visible"),
    [
        ("{{Infobox|name={{lang|fr|{{small|chat}}}}|of=[[x]]}}A cat.", "A cat."),
        ("A\n{| class=x\n! h\n|-\n| a || b\n{|\n| inner\n|}\n|}\nB", "A B"),
        ("A\n:{|\n| indented\n|}\nB", "A B"),
        ("A\n<table><tr><td>cell</td></tr></table>\nB", "A B"),
        ("A\n{| class=x\n| never closed\n|-\n{{End}}\nB", "A B"),
        (
            "One.<ref>Source</ref> Two.<ref name=a /> Three.<REF name='b'>See {{cite}}</REF>",
            "One. Two. Three.",
        ),
        ("A <!-- hidden [[link]] -->B", "A B"),
        ("The [[cat]]s and [[Felis catus|''house'' cats]] of [[Paris#Zoo|Paris]].", None),
        ("[[File:A.jpg|thumb|A [[cat|tom]] {{x}}<ref>y</ref> [http://a.b c]]]A", "A"),
        ("[[image : a_b.png|left]]A[[Bild:Katze.JPG|mini|Eine Katze]]", "A"),
        ("A[[Category:Cats]][[category:Pets|*]] B", "A B"),
        ("A [[:Category:Cats|category]] of [[:File:A.jpg|pictures]]", "A category of pictures"),
        ("A[[de:Katze]][[simple:Cat]][[zh-min-nan:Niau]] [[wikt:cat|word]]", "A word"),
        ("[https://a.org Home] of [https://b.org] [//c.org ''cats'']", "Home of cats"),
        ("Let <math>x^2</math><math display=block>\\frac{a}{b}</math> be <code>int</code>", "Let be"),
        ("A<gallery>\nFile:A.jpg|cat\n</gallery><timeline>bar</timeline><chem>H2O</chem>B", "AB"),
        ("A<syntaxhighlight lang=py>def f(): pass</syntaxhighlight> <pre>raw</pre>B", "A B"),
        ("== Life ==\n* one\n# two\n; three : four\n----\nend", "Life one two three four end"),
        ("== Life<ref>of Pi</ref> [[File:A.png]]==\nlong", "Life long"),
        ("'''Bold''', ''italic'' and '''''both''' crossing ''", "Bold, italic and both crossing"),
        ("one<br>two<br/>three<div>four</div>five", "one two three four five"),
        ("H<sub>2</sub>O <span style='x'>is <small>wet</small></span>", "H2O is wet"),
        ("<poem>a rose\nis a [[rose]]</poem><nowiki>[[kept]]</nowiki>", "a rose is a rose [[kept]]"),
        (
            "<small>Open <ref>for ever\n\nTom</div> & Jerry&nbsp;&amp; &eacute;",
            "Open for ever Tom & Jerry & é",
        ),
        ("__NOTOC__A __init__ B__БЕЗОГЛ__ {{{1|default}}}", "A __init__ B default"),
        ("halves of a character &#xD83D; are none", "halves of a character are none"),
    ],
)
def test_visible_prose_remains(markup, visible):
    assert prose(markup) == (visible or "The cats and house cats of Paris.")


@pytest.mark.parametrize(
    ("file", "category", "title", "text"),
    [
        ("Datei", "Kategorie", "Straße", "Die Straße überquert den Fluß"),
        ("Файл", "Категория", "Кошка", "Домашняя кошка, или кот"),
        ("ملف", "تصنيف", "قط", "القط حيوان أليف"),
        ("चित्र", "श्रेणी", "बिल्ली", "बिल्ली एक पालतू जानवर है"),
        ("ファイル", "Category", "ネコ", "ネコは哺乳類である"),
        ("Αρχείο", "Κατηγορία", "Γάτα", "Η γάτα 😺 είναι ζώο"),
    ],
)
def test_every_script_and_the_names_of_its_namespaces(file, category, title, text):
    markup = f"[[{file}:X.svgz|thumb|y]]{text}\n[[{category}:Z]]\n[[{category.lower()}:W]] [[File:V]]"
    xml = dump(page(title, markup), file=file, category=category)
    assert articles(xml) == [f"{title}\n\n{text}\n"]


def test_a_compressed_stream_is_read_as_it_unpacks():
    with bz2.open(io.BytesIO(bz2.compress(dump(page("Cat", "Purr."))))) as stream:
        assert list(read_dump(stream, "dump.xml.bz2")) == ["Cat\n\nPurr.\n"]


BROKEN = (
    r"Argument `paths` must be a whole MediaWiki dump, but got dump\.xml, which breaks off or is malformed \("
)
REMEDY = r"\)\. Fetch it again, a `pages-articles` dump\.$"


def test_a_truncated_dump_gives_its_whole_pages_and_an_error():
    xml = dump(page("Cat", "Purr."), page("Dog", "Bark."))
    documents = read_dump(io.BytesIO(xml[: xml.index(b"Bark")]), "dump.xml")
    assert next(documents) == "Cat\n\nPurr.\n"
    with pytest.raises(ValueError, match=BROKEN + "no element found.*" + REMEDY):
        next(documents)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b"", "no element found"),
        (b"The cat purrs.\n", "syntax error"),
        (dump(page("Cat", "Purr."))[:-5], "unclosed token"),
        (dump(page("Cat", "Purr.")).replace(b"</revision>", b""), "mismatched tag"),
        (dump(page("Cat", "Purr.")).replace(b"Purr", b"\xff\xfe"), "not well-formed"),
        (b"<rss><channel/></rss>", "the outermost element is <rss>"),
        (dump("<a>" * 101 + "</a>" * 101), "more than 100 elements within each other"),
        (b'<!DOCTYPE mediawiki [<!ENTITY a SYSTEM "file:///etc/hosts">]>' + dump("&a;"), "undefined entity"),
    ],
)
def test_a_malformed_dump_is_refused(xml, reason):
    with pytest.raises(ValueError, match=BROKEN + reason + ".*" + REMEDY):
        articles(xml)


def test_a_page_without_end_is_refused():
    before, after = dump(page("Cat", "Purr.")).split(b"Purr.")
    documents = read_dump(io.BytesIO(before + b"Purr. " * 12_000_000 + after), "dump.xml")
    with pytest.raises(ValueError, match=BROKEN + "a page of more than 64 MB" + REMEDY):
        next(documents)


def test_missing_parser_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mwparserfromhell", None)
    with pytest.raises(ImportError, match=r"needs mwparserfromhell: pip install 'w2vflow\[dumps\]'"):
        articles(dump(page("Cat", "Purr.")))


@pytest.mark.parametrize("namespace", [0, 1])
def test_memory_does_not_grow_with_the_dump(namespace, monkeypatch):
    """4,000 pages kept take 15 MB; pages emptied but kept are few bytes each, so they are counted."""
    stream = io.BytesIO(dump(*(page(f"Page {i}", "cat " * 500, namespace=namespace) for i in range(4000))))
    kept = 0

    def counted(*args, **kwargs):
        nonlocal kept
        events = iterparse(*args, **kwargs)
        event, root = next(events)
        yield event, root
        for event, element in events:
            kept = max(kept, len(root))
            yield event, element

    monkeypatch.setattr(dumps, "iterparse", counted)
    tracemalloc.start()
    try:
        documents = sum(1 for _ in read_dump(stream, "dump.xml"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert documents == (4000 if namespace == 0 else 0)
    assert peak < 3_000_000
    # The parser runs ahead of the reader by what it takes from the stream at once, 16 to 64 kB.
    assert 1 <= kept < 100


def test_pages_without_a_dump_around_them_are_read(tmp_path):
    one, two = page("Cat", "A cat."), page("Dog", "A dog.")
    for text in (one, one + two, f"<?xml version='1.0'?>\n{one}{two}\n"):
        (tmp_path / "pages.xml").write_text(text)
        found = list(read_documents(tmp_path / "pages.xml"))
        assert found == ["Cat\n\nA cat.\n", "Dog\n\nA dog.\n"][: text.count("<page>")]
    (tmp_path / "pages.xml").write_text(one + two[:-20])
    with pytest.raises(ValueError, match=r"must be a whole MediaWiki dump, but got .*pages.xml, which"):
        list(read_documents(tmp_path / "pages.xml"))


def test_a_dump_in_the_encoding_that_it_declares(tmp_path):
    text = "<?xml version='1.0' encoding='utf-16'?>" + dump(page("Bär", "Ein Bär.")).decode()
    (tmp_path / "dump.xml").write_bytes(text.encode("utf-16"))
    assert list(read_documents(tmp_path / "dump.xml")) == ["Bär\n\nEin Bär.\n"]


def test_a_page_that_the_parser_cannot_follow_is_skipped_and_counted(tmp_path):
    deep = "{{" * 1000 + "x" + "}}" * 1000
    (tmp_path / "dump.xml").write_bytes(
        dump(page("Deep", deep), page("Cat", "A cat sat."), page("Deep", deep))
    )
    stats = wf.count(tmp_path / "dump.xml", window=2)
    assert (stats.metadata["corpus_documents"], stats.metadata["corpus_pages_skipped"]) == (1, 2)
    assert "pages skipped, which the parser cannot follow: 2" in stats.metadata["corpus_summary"]
    # Of no other page is anything told.
    (tmp_path / "dump.xml").write_bytes(dump(page("Deep", deep)))
    (block,) = read_blocks(tmp_path / "dump.xml")
    assert (len(block.starts), block.facts[0].pages_skipped) == (0, 1)


@pytest.mark.parametrize(
    ("markup", "visible"),
    [
        ('{{start}}\n|-\n! colspan="4"|FIFA\n| 59 || 26\nprose', "prose"),
        ("{{start}}\n! Name\n! Year\n|-\n| A\n{{end}}\nprose", "prose"),
        ("{{start}}\n!Name\n!Year\n|-\n| A\n{{end}}\nprose", "prose"),
        ("{{start}}\n!Name!!Year\n{{end}}\nprose", "prose"),
        (
            "* one\n!Kung are people\n'''!!!''' is a band\nYes! it is",
            "one !Kung are people !!! is a band Yes! it is",
        ),
    ],
)
def test_heads_of_tables_that_a_template_opens_are_left_out(markup, visible):
    assert prose(markup) == visible
