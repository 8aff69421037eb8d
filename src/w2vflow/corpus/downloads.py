"""Corpora to fetch by name: addresses, licences, and a cache that checks what it holds."""

import datetime
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from w2vflow.corpus.parts import Part, part_of
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import check_writable_folder, room_for, write_text
from w2vflow.support.checks import argument_error

if TYPE_CHECKING:
    import requests

__all__ = ["Corpus", "cache_folder", "cached_path", "fetch", "known_corpora", "wikipedia"]


@checked
@dataclass(frozen=True)
class Corpus:
    """A file of text that can be fetched by name.

    Attributes:
        name: as `fetch` takes it.
        urls: mirrors of one and the same file, tried in order.
        sha256: of the file; `None` if nobody vouches for one: the first download is then taken on trust.
        bytes: size of the file; `None` if it is not known before the download.
        licence: terms of the text.
        description: of the text, in one line.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None
    bytes: int | None
    licence: str
    description: str

    @property
    def filename(self) -> str:
        """The name of the file in the cache, that of the first mirror."""
        return self.urls[0].rpartition("/")[2]


_CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="text8",
            urls=("http://mattmahoney.net/dc/text8.zip", "https://data.deepai.org/text8.zip"),
            sha256="a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
            bytes=31_344_016,
            licence="GFDL",
            description="First 10^8 characters of English Wikipedia of March 2006, a to z and spaces only",
        ),
        Corpus(
            name="enwik9",
            urls=("https://mattmahoney.net/dc/enwik9.zip", "http://mattmahoney.net/dc/enwik9.zip"),
            sha256=None,
            bytes=322_592_222,
            licence="GFDL",
            description="First 10^9 bytes of the dump of English Wikipedia of March 2006, XML with wikitext",
        ),
        Corpus(
            name="wikitext-103",
            urls=(
                "https://wikitext.smerity.com/wikitext-103-raw-v1.zip",
                "https://huggingface.co/datasets/mattdangerw/wikitext-103-raw/resolve/main/wikitext-103-raw-v1.zip",
            ),
            sha256="91c00ae287f0d699e18605c84afc9e45c192bc6b7797ff8837e5474655a33794",
            bytes=191_984_949,
            licence="CC BY-SA",
            description="Good and featured articles of English Wikipedia of 2016, raw: every word kept",
        ),
    )
}

_WIKIPEDIA = re.compile(r"wikipedia-(?P<language>[a-z]+(?:-[a-z]+)*)-(?P<date>[0-9]{8})")


@checked
def known_corpora() -> tuple[Corpus, ...]:
    """Return the corpora with a name of their own; dumps of Wikipedia come in addition.

    Example:
        >>> [corpus.name for corpus in known_corpora()]
        ['text8', 'enwik9', 'wikitext-103']
    """
    return tuple(_CORPORA.values())


@checked
def wikipedia(language: str, date: str) -> Corpus:
    """Return the corpus of one Wikipedia's articles on one day, as Wikimedia dumped them.

    Neither size nor hash is known beforehand. Wikimedia deletes dumps after some months, which `fetch`
    reports.

    Args:
        language: the code in front of `.wikipedia.org`: `"en"`, `"simple"`, `"zh-min-nan"`.
        date: the day of the dump as `"YYYYMMDD"`; dumps start on the 1st and 20th of a month.

    Raises:
        ValueError: a language or date of another form.

    Example:
        >>> wikipedia("simple", "20240601").name
        'wikipedia-simple-20240601'
    """
    name = f"wikipedia-{language}-{date}"
    try:
        valid = _WIKIPEDIA.fullmatch(name) is not None and bool(datetime.date.fromisoformat(date))
    except ValueError:
        valid = False
    if not valid:
        expected = "a code such as 'simple' and a day as YYYYMMDD"
        remedy = "https://dumps.wikimedia.org/backup-index.html lists what there is."
        raise argument_error("language, date", expected, repr((language, date)), remedy)
    database = language.replace("-", "_") + "wiki"
    path = f"{database}/{date}/{database}-{date}-pages-articles.xml.bz2"
    return Corpus(
        name=name,
        urls=(
            f"https://dumps.wikimedia.org/{path}",
            f"https://mirror.accum.se/mirror/wikimedia.org/dumps/{path}",
        ),
        sha256=None,
        bytes=None,
        licence="CC BY-SA and GFDL",
        description=f"Articles of {language}.wikipedia.org, dump of {date}, XML with wikitext",
    )


@checked
def cached_path(name: str, cache: str | os.PathLike[str] | None = None) -> Path | None:
    """Return where a corpus lies in the cache, unchecked, or `None` if it has not been fetched yet.

    Raises:
        ValueError: an unknown name.
    """
    path = cache_folder(cache) / _find(name).filename
    return path if path.is_file() else None


@checked
def fetch(name: str, *, cache: str | os.PathLike[str] | None = None, progress: bool = False) -> Path:
    """Return the cached file of a corpus, downloading it if need be.

    A download that was cut is continued by the next call if the server can. A file gets its name only after
    it was checked, and is checked again on every call. A corpus without a known SHA-256 is checked by its
    size at most the first time, with a warning; its SHA-256 is kept in `<file>.sha256`, in the format of
    `sha256sum`, and binds from then on. Of two calls at once, in one process or in several, the second waits
    for the first. A server that sends more than the file has is stopped.

    Args:
        name: one of `known_corpora()`, or `wikipedia-<language>-<date>`.
        cache: folder of the files, as in `cache_folder`.
        progress: whether to draw a progress bar on stderr.

    Raises:
        ValueError: an unknown name, a cache that cannot be written or has a link where a download is to lie,
            or a file of another size or hash than it must have; such a file is removed.
        OSError: no mirror delivers (the message says why, for each), or the disk has no room for the file.

    Warns:
        UserWarning: nobody vouches for the SHA-256 of the file, and this is the first time it is used; or
            another download of it is waited for.
    """
    corpus = _find(name)
    path = cache_folder(cache) / corpus.filename
    trusted = _expected_sha256(corpus, path) is None
    if path.is_file():
        _check_cached(corpus, path)
    else:
        check_writable_folder(path.parent, "cache")
        with part_of(path) as part:
            # Another download, for which this one waited, may have been it.
            if path.is_file():
                _check_cached(corpus, path)
            else:
                _download(corpus, path, part, progress)
    if trusted:
        checked = "checked by its size only" if corpus.bytes is not None else "taken on trust"
        warnings.warn(
            f"The SHA-256 of corpus `{name}` is not pinned: {path} was {checked}. It has SHA-256 "
            f"{_expected_sha256(corpus, path)}, kept in {_record(path).name} and checked from now on.",
            stacklevel=2,
        )
    return path


def _find(name: str) -> Corpus:
    if name in _CORPORA:
        return _CORPORA[name]
    if parts := _WIKIPEDIA.fullmatch(name):
        return wikipedia(parts["language"], parts["date"])
    expected = f"one of {list(_CORPORA)} or of the form 'wikipedia-<language>-<YYYYMMDD>'"
    raise argument_error("name", expected, repr(name), "A text of your own is passed by its path.")


@checked
def cache_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """Return where fetched files are kept: `cache`, else `W2VFLOW_CACHE`, else the platform's folder."""
    import pooch

    return Path(cache or os.environ.get("W2VFLOW_CACHE") or pooch.os_cache("w2vflow")).expanduser()


class _WrongFileError(Exception):
    """A file that is not the corpus: its text is what the file has, `expected` what it should have."""

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(actual)
        self.expected = expected


def _refusal(corpus: Corpus, path: Path, expected: str, got: str) -> ValueError:
    remedy = f"The bad file was removed. Fetch `{corpus.name}` again, or pass the path of a copy you trust."
    if corpus.sha256 is None and _record(path).is_file():
        remedy += f" If its publisher renewed the file, delete {_record(path)} first."
    return argument_error("name", f"a corpus whose file {path.name} has {expected}", got, remedy)


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _expected_sha256(corpus: Corpus, path: Path) -> str | None:
    if corpus.sha256 is not None or not _record(path).is_file():
        return corpus.sha256
    return next(iter(_record(path).read_text(encoding="utf-8").split()), None)


def _verify(file: Path, corpus: Corpus, path: Path) -> None:
    """Raise unless `file` is what has to lie at `path`; record its hash if none is known."""
    import pooch

    size = file.stat().st_size
    if corpus.bytes is not None and size != corpus.bytes:
        raise _WrongFileError(f"{corpus.bytes:,} bytes", f"{size:,} bytes")
    expected, actual = _expected_sha256(corpus, path), pooch.file_hash(str(file), alg="sha256")
    if expected is None:
        write_text(_record(path), f"{actual}  {path.name}\n")
    elif actual != expected:
        raise _WrongFileError(f"SHA-256 {expected}", f"SHA-256 {actual}")


def _check_cached(corpus: Corpus, path: Path) -> None:
    try:
        _verify(path, corpus, path)
    except _WrongFileError as error:
        path.unlink()
        raise _refusal(corpus, path, error.expected, f"{path} with {error}") from None


def _download(corpus: Corpus, path: Path, part: Part, progress: bool) -> None:
    import requests

    reasons: list[str] = []
    expected = ""
    for url in corpus.urls:
        try:
            _Download(corpus, path, part, progress).fill(url)
            _verify(part.place, corpus, path)
        except _WrongFileError as error:
            part.drop()
            expected = error.expected
            reasons.append(f"{url} with {error}")
        except requests.RequestException as error:
            reasons.append(f"{url} ({error})")
        else:
            return part.becomes_whole()
    if expected:
        raise _refusal(corpus, path, expected, "; ".join(reasons))
    raise OSError(
        f"No mirror delivers corpus `{corpus.name}`: {'; '.join(reasons)}. Try again, which continues a "
        "download that was cut, or download the file by hand and pass its path instead of the name."
    )


@dataclass(frozen=True)
class _Download:
    """What fills the part of a file."""

    corpus: Corpus
    path: Path
    part: Part
    progress: bool

    def fill(self, url: str) -> None:
        """Receive what there is not yet of the file.

        Raises:
            _WrongFileError: the server tells of, or sends, more or less than the corpus has.
            requests.RequestException: it does not deliver.
            OSError: the disk is full.
        """
        import requests

        # Compressed in transit, the bytes on disk would not tell where to continue.
        headers = {"User-Agent": "w2vflow", "Accept-Encoding": "identity"}
        version = self.part.version()
        have = self.part.size if version else 0
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": version}
        with requests.get(url, headers=headers, stream=True, timeout=30) as response:
            start, total = _extent(response)
            if response.status_code == 416 and total == have:
                response.close()
            elif have and (response.status_code == 416 or (response.status_code == 206 and start != have)):
                self.part.drop()
                return self.fill(url)
            else:
                response.raise_for_status()
                self._receive(response, start, total)

    def _receive(self, response: "requests.Response", start: int, total: int | None) -> None:
        import requests
        from tqdm import tqdm

        known = self.corpus.bytes
        if known is not None and total not in (None, known):
            raise _WrongFileError(f"{known:,} bytes", f"{total:,} bytes")
        most = total if known is None else known
        hidden, size = not self.progress, start
        bar = tqdm(desc=self.path.name, initial=start, total=total, unit="B", unit_scale=True, disable=hidden)
        with room_for(self.path, (most or start) - start), bar:
            if start == 0:
                etag = response.headers.get("ETag", "")
                # A weak ETag does not promise equal bytes, and HTTP forbids it in `If-Range`.
                version = etag if etag.startswith('"') else response.headers.get("Last-Modified")
                self.part.begin(version or "")
            for chunk in response.iter_content(1 << 16):
                size += len(chunk)
                if most is not None and size > most:
                    self.part.drop()
                    raise self._too_much(most)
                self.part.add(chunk)
                bar.update(len(chunk))
        if total is not None and size != total:
            raise requests.ConnectionError(f"{size:,} of {total:,} bytes arrived")

    def _too_much(self, most: int) -> Exception:
        import requests

        if self.corpus.bytes is not None:
            return _WrongFileError(f"{most:,} bytes", "more")
        return requests.ConnectionError(f"more than the {most:,} bytes that were told")


def _extent(response: "requests.Response") -> tuple[int, int | None]:
    """Return the first byte that the response sends, and the size of the whole file if it is told."""
    if response.status_code in (206, 416):
        span, _, size = response.headers.get("Content-Range", "").removeprefix("bytes ").rpartition("/")
        first = span.partition("-")[0]
        return int(first) if first.isdigit() else -1, int(size) if size.isdigit() else None
    size = response.headers.get("Content-Length", "")
    return 0, int(size) if size.isdigit() else None
