"""Corpora by name, from a server on the loopback that cuts connections, forgets files and lies."""

import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from w2vflow.corpus import downloads
from w2vflow.corpus.downloads import Corpus, cached_path, fetch, known_corpora, wikipedia
from w2vflow.support import atomic_files

BODY = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Mirror:
    """What the server does, and what was asked of it."""

    url: str = ""
    body: bytes = BODY
    etag: str | None = '"1"'
    ranges: bool = True
    cut_after: int | None = None
    other_range: tuple[int, int] | None = None
    lies: dict[str, bytes] = field(default_factory=dict)
    endless: int = 0
    told: bool = True
    slow: float = 0
    delivered: int = 0
    missing: set[str] = field(default_factory=set)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)


@pytest.fixture
def mirror(monkeypatch):
    state = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            state.asked.append((self.path, self.headers["Range"]))
            body = state.lies.get(self.path, state.body)
            size, start, stop, status = len(body), 0, len(body), 200
            if state.ranges and self.headers["Range"] and self.headers["If-Range"] == state.etag:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                status = 206 if start < size else 416
                start, stop = state.other_range or (start, stop)
            if self.path in state.missing:
                self.send_error(404)
                return
            self.send_response(status)
            if state.etag:
                self.send_header("ETag", state.etag)
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            if status == 416:
                self.send_header("Content-Range", f"bytes */{size}")
            length = state.endless or (stop - start if status != 416 else 0)
            if state.told:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            rest = body[start:stop][: state.cut_after]
            state.sent.append(len(rest))
            time.sleep(state.slow)
            with suppress(OSError):  # enough of it
                self.deliver(rest, state.endless)

        def deliver(self, rest, endless):
            for start in range(0, max(len(rest), endless), 2**16):
                part = bytes(2**16) if endless else rest[start : start + 2**16]
                self.wfile.write(part)
                state.delivered += len(part)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("no_proxy", "*")
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def register(mirror, monkeypatch):
    """Make one corpus, `small`, the only known one."""

    def change(**changes) -> Corpus:
        small = Corpus("small", (f"{mirror.url}/small.zip",), SHA256, len(BODY), "CC0", "Noise")
        corpus = replace(small, **changes)
        monkeypatch.setattr(downloads, "_CORPORA", {corpus.name: corpus})
        return corpus

    change()
    return change


@pytest.fixture
def cut(mirror, register, tmp_path):
    """A cache in which the first half of the download lies."""
    mirror.cut_after = len(BODY) // 2
    with pytest.raises(OSError, match="continues a download that was cut"):
        fetch("small", cache=tmp_path)
    mirror.cut_after = None
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_good_file_is_fetched_once(mirror, register, tmp_path):
    assert cached_path("small", tmp_path) is None
    path = fetch("small", cache=tmp_path)
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["small.zip"]
    assert fetch("small", cache=tmp_path) == path == cached_path("small", tmp_path)
    assert mirror.asked == [("/small.zip", None)]


def test_progress_is_drawn_on_stderr(register, tmp_path, capsys):
    fetch("small", cache=tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert not out
    assert "small.zip: 100%" in err


def test_the_environment_names_the_cache(register, tmp_path, monkeypatch):
    monkeypatch.setenv("W2VFLOW_CACHE", str(tmp_path / "new"))
    assert fetch("small") == tmp_path / "new" / "small.zip"
    assert fetch("small", cache=tmp_path / "other").parent == tmp_path / "other"
    monkeypatch.delenv("W2VFLOW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "platform"))
    assert cached_path("small") is None


def test_a_wrong_hash_leaves_nothing(register, tmp_path):
    register(sha256="0" * 64)
    message = f"small.zip has SHA-256 {'0' * 64}, but got http.*small.zip with SHA-256 {SHA256}. .* removed"
    with pytest.raises(ValueError, match=message):
        fetch("small", cache=tmp_path)
    assert names(tmp_path) == []


def test_a_wrong_size_leaves_nothing(register, tmp_path):
    register(sha256=None, bytes=7)
    with pytest.raises(ValueError, match=r"small.zip has 7 bytes, but got http.*300,000 bytes"):
        fetch("small", cache=tmp_path)
    assert names(tmp_path) == []


def test_a_cut_download_is_continued(mirror, cut):
    have = (cut / "small.zip.part").stat().st_size
    assert 0 < have <= len(BODY) // 2
    assert names(cut) == ["small.zip.part", "small.zip.part.version"]
    assert fetch("small", cache=cut).read_bytes() == BODY
    assert mirror.asked[1:] == [("/small.zip", f"bytes={have}-")]
    assert mirror.sent[1:] == [len(BODY) - have]
    assert names(cut) == ["small.zip"]


def test_a_server_without_ranges_starts_again(mirror, cut):
    mirror.ranges = False
    assert fetch("small", cache=cut).read_bytes() == BODY
    assert mirror.sent[1:] == [len(BODY)]


def test_versions_of_a_file_are_never_mixed(mirror, register, cut):
    mirror.body, mirror.etag = BODY[::-1], '"2"'
    register(sha256=hashlib.sha256(mirror.body).hexdigest())
    assert fetch("small", cache=cut).read_bytes() == mirror.body
    assert mirror.sent[1:] == [len(BODY)]


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_a_part_of_unknown_version_is_not_continued(mirror, register, tmp_path, etag):
    mirror.etag, mirror.cut_after = etag, 200_000
    with pytest.raises(OSError, match="No mirror delivers corpus `small`"):
        fetch("small", cache=tmp_path)
    mirror.cut_after = None
    assert fetch("small", cache=tmp_path).read_bytes() == BODY
    assert mirror.asked[1:] == [("/small.zip", None)]


def test_a_part_that_is_whole_is_not_sent_again(mirror, cut):
    (cut / "small.zip.part").write_bytes(BODY)
    assert fetch("small", cache=cut).read_bytes() == BODY
    assert mirror.sent[1:] == [0]


def test_a_part_that_is_too_long_is_dropped(mirror, cut):
    (cut / "small.zip.part").write_bytes(BODY + b"more")
    assert fetch("small", cache=cut).read_bytes() == BODY
    assert mirror.sent[1:] == [0, len(BODY)]


def test_a_server_that_sends_less_than_asked_for_is_noticed(mirror, register, cut):
    register(sha256=None, bytes=None)
    have = (cut / "small.zip.part").stat().st_size
    mirror.other_range = (have, have + 100)
    with pytest.raises(OSError, match=f"{have + 100:,} of 300,000 bytes arrived"):
        fetch("small", cache=cut)
    mirror.other_range = None
    with pytest.warns(UserWarning, match=SHA256):
        fetch("small", cache=cut)
    assert mirror.asked[2:] == [("/small.zip", f"bytes={have + 100}-")]


def test_a_server_that_continues_elsewhere_is_not_believed(mirror, cut):
    mirror.other_range = (1, len(BODY))
    assert fetch("small", cache=cut).read_bytes() == BODY
    assert mirror.asked[2:] == [("/small.zip", None)]


def test_a_part_that_is_wrong_is_removed(mirror, cut):
    part = cut / "small.zip.part"
    part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(ValueError, match=f"has SHA-256 {SHA256}, but got http"):
        fetch("small", cache=cut)
    assert names(cut) == []
    assert fetch("small", cache=cut).read_bytes() == BODY


def test_the_second_mirror_helps_out(mirror, register, tmp_path):
    register(urls=(f"{mirror.url}/gone/small.zip", f"{mirror.url}/small.zip"))
    mirror.missing = {"/gone/small.zip"}
    assert fetch("small", cache=tmp_path).read_bytes() == BODY
    assert [path for path, _ in mirror.asked] == ["/gone/small.zip", "/small.zip"]


def test_a_mirror_that_lies_is_passed_over(mirror, register, tmp_path):
    register(urls=(f"{mirror.url}/small.zip", f"{mirror.url}/true/small.zip"), bytes=None)
    mirror.lies = {"/small.zip": b"Please log in."}
    assert fetch("small", cache=tmp_path).read_bytes() == BODY
    assert names(tmp_path) == ["small.zip"]


def test_where_no_mirror_delivers_all_reasons_are_given(mirror, register, tmp_path):
    urls = (f"{mirror.url}/gone/small.zip", "http://127.0.0.1:1/small.zip")
    register(urls=urls)
    mirror.missing = {"/gone/small.zip"}
    with pytest.raises(
        OSError, match=r"gone/small.zip .404 .*127.0.0.1:1/small.zip .*refused.*by hand and pass"
    ):
        fetch("small", cache=tmp_path)
    assert names(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_noticed(register, tmp_path):
    path = fetch("small", cache=tmp_path)
    path.write_bytes(b"\0" + BODY[1:])
    with pytest.raises(
        ValueError, match=f"has SHA-256 {SHA256}, but got .*small.zip with SHA-256 .* removed"
    ):
        fetch("small", cache=tmp_path)
    assert names(tmp_path) == []
    assert fetch("small", cache=tmp_path).read_bytes() == BODY


@pytest.mark.parametrize(
    ("size", "checked"), [(None, "taken on trust"), (len(BODY), "checked by its size only")]
)
def test_a_hash_that_is_not_pinned_is_recorded_and_binds(register, tmp_path, size, checked):
    register(sha256=None, bytes=size)
    with pytest.warns(UserWarning, match=f"`small` is not pinned: .*{checked}. It has SHA-256 {SHA256}"):
        path = fetch("small", cache=tmp_path)
    assert (tmp_path / "small.zip.sha256").read_text() == f"{SHA256}  small.zip\n"
    assert fetch("small", cache=tmp_path) == path
    path.write_bytes(BODY[::-1])
    with pytest.raises(ValueError, match=r"renewed the file, delete .*small.zip.sha256 first"):
        fetch("small", cache=tmp_path)
    assert names(tmp_path) == ["small.zip.sha256"]


def test_a_file_laid_into_the_cache_is_recorded_too(mirror, register, tmp_path):
    register(sha256=None)
    (tmp_path / "small.zip").write_bytes(BODY)
    with pytest.warns(UserWarning, match=SHA256):
        fetch("small", cache=tmp_path)
    assert mirror.asked == []


def test_a_cache_that_cannot_be_written_is_refused_before_the_download(mirror, register, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="Argument `cache` must be a folder that can be written"):
        fetch("small", cache=tmp_path / "file" / "cache")
    assert mirror.asked == []


@pytest.mark.parametrize(
    "name", ["txet8", "", "wikipedia-simple", "wikipedia-simple-2024", "wikipedia-../en-20240601"]
)
@pytest.mark.parametrize("function", [fetch, cached_path])
def test_an_unknown_name_is_refused(name, function, tmp_path):
    message = r"Argument `name` must be one of \['text8', .*'wikipedia-<language>-<YYYYMMDD>', but got '"
    with pytest.raises(ValueError, match=message):
        function(name, cache=tmp_path)


@pytest.mark.parametrize(
    ("language", "date"), [("Simple", "20240601"), ("en", "20241301"), ("en", "latest"), ("en", "2024060a")]
)
def test_a_dump_that_cannot_be_is_refused(language, date):
    with pytest.raises(ValueError, match=r"Argument `language, date` must be .* YYYYMMDD, but got \('"):
        wikipedia(language, date)


def test_dumps_of_wikipedia_have_mirrors_with_the_same_path(tmp_path):
    corpus = wikipedia("zh-min-nan", "20240601")
    path = "zh_min_nanwiki/20240601/zh_min_nanwiki-20240601-pages-articles.xml.bz2"
    assert corpus.urls[0] == f"https://dumps.wikimedia.org/{path}"
    assert all(url.endswith(f"/{path}") for url in corpus.urls)
    (tmp_path / corpus.filename).touch()
    assert cached_path(corpus.name, tmp_path) == tmp_path / path.rpartition("/")[2]


def test_known_corpora_are_complete():
    assert len({corpus.filename for corpus in known_corpora()}) == len(known_corpora())
    for corpus in known_corpora():
        assert corpus.licence
        assert corpus.description
        assert all(url.endswith(".zip") for url in corpus.urls)
        assert corpus.sha256 is None or len(bytes.fromhex(corpus.sha256)) == 32


def test_importing_loads_no_http_library():
    code = (
        "import sys; import w2vflow.corpus.downloads; "
        "loaded = {'pooch', 'requests'} & set(sys.modules); assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_downloads_at_once(mirror, register, tmp_path):
    """The second waits for the first, of this process or another, and finds its file."""
    mirror.slow, found = 0.02, []

    def fetches():
        found.append(fetch("small", cache=tmp_path).read_bytes())

    threads = [threading.Thread(target=fetches) for _ in range(4)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [BODY] * 4
    assert mirror.sent == [len(BODY)]
    assert names(tmp_path) == ["small.zip"]
    assert all(
        "Another process is at work on small.zip; this one waits for its end" in str(w.message)
        for w in warned
    )


def test_the_second_download_goes_on_where_the_first_was_cut(mirror, register, tmp_path):
    mirror.slow, mirror.cut_after, ends = 0.02, 200_000, []

    def fetches():
        try:
            fetch("small", cache=tmp_path)
        except OSError as error:
            ends.append(str(error))
        mirror.cut_after = None

    threads = [threading.Thread(target=fetches) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    fetch("small", cache=tmp_path)
    assert (tmp_path / "small.zip").read_bytes() == BODY
    assert names(tmp_path) == ["small.zip"]


@pytest.mark.parametrize("told", [True, False])
def test_a_server_that_sends_more_than_the_corpus_has_is_stopped(mirror, register, tmp_path, told):
    mirror.endless, mirror.told = 400 * 2**20, told
    with pytest.raises(ValueError, match=r"has 300,000 bytes, but got http.*small.zip with"):
        fetch("small", cache=tmp_path)
    assert mirror.delivered < 20 * 2**20
    assert names(tmp_path) == []


def test_a_server_that_sends_more_than_it_told_is_stopped(mirror, register, tmp_path):
    """One that goes on where a download was cut, and does not end; its range alone tells of a size."""
    register(sha256=None, bytes=None)
    mirror.cut_after = 100_000
    with pytest.raises(OSError, match="cut"):
        fetch("small", cache=tmp_path)
    mirror.cut_after, mirror.endless, mirror.told = None, 400 * 2**20, False
    with pytest.raises(OSError, match="more than the 300,000 bytes that were told"):
        fetch("small", cache=tmp_path)
    assert mirror.delivered < 20 * 2**20
    assert not (tmp_path / "small.zip").exists()
    mirror.endless, mirror.told = 0, True
    with pytest.warns(UserWarning, match=SHA256):
        assert fetch("small", cache=tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to, None])
@pytest.mark.parametrize("name", ["small.zip.part", "small.zip.part.version"])
def test_what_stands_in_the_way_of_a_download_is_not_followed(mirror, cut, tmp_path, make, name):
    own = tmp_path / "precious"
    own.write_text("precious")
    (cut / name).unlink()
    if make is not None:
        make(cut / name, own)
    else:
        os.mkfifo(cut / name)
    with pytest.raises(ValueError, match=rf"`cache` must be .*{name}.*Remove it"):
        fetch("small", cache=cut)
    assert own.read_text() == "precious"
    assert len(mirror.asked) == 1
    (cut / name).unlink()
    assert fetch("small", cache=cut).read_bytes() == BODY


def test_a_link_whose_target_is_missing_creates_nothing(mirror, register, tmp_path):
    (tmp_path / "small.zip.part").symlink_to(tmp_path / "new")
    with pytest.raises(ValueError, match=r"small.zip.part, which is a link"):
        fetch("small", cache=tmp_path)
    assert not (tmp_path / "new").exists()


def test_a_disk_with_too_little_room_is_told_before_anything_is_written(
    mirror, register, tmp_path, monkeypatch
):
    monkeypatch.setattr(atomic_files, "available_disk", lambda folder: 1000)
    with pytest.raises(OSError, match=r"No space left on device: 300 kB needed, 1.0 kB free") as raised:
        fetch("small", cache=tmp_path)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(tmp_path / "small.zip")
    assert names(tmp_path) == []
