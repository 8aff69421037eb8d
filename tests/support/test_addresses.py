"""Files of other machines: in memory, and of a server of the web on this one."""

import bz2
import gzip
import io
import lzma
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zstandard
from safetensors.numpy import save
from servers import serving
from texts import read_documents

import w2vflow as wf
from w2vflow.corpus import expand_paths
from w2vflow.semantics import read_pairs, read_questions
from w2vflow.semantics.rated_pairs import read_ratings
from w2vflow.support.addresses import is_address, place_of
from w2vflow.support.sources import Source

TEXT = b"foo 1 2\nbar 3 4\n"
BINARY = b"2 2\nfoo " + struct.pack("<2f", 1, 2) + b"\nbar " + struct.pack("<2f", 3, 4) + b"\n"
VECTORS = np.array([[1, 2], [3, 4]], np.float32)
TENSORS = save({"vectors": VECTORS, "words": np.frombuffer(b"foo\nbar", np.uint8)})


def zipped(content, name="a.txt"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


PACKERS = [
    lambda content: content,
    gzip.compress,
    bz2.compress,
    lzma.compress,
    zstandard.ZstdCompressor().compress,
    zipped,
]


class Memory:
    """A machine in memory, with what a `Server` has."""

    address = "memory://w2vflow-tests"

    def __init__(self, system):
        self.system = system
        self.ranges = True

    def put(self, path, content):
        self.system.pipe(f"/w2vflow-tests{path}", content)


@pytest.fixture
def memory():
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    yield Memory(system)
    if system.exists("/w2vflow-tests"):
        system.rm("/w2vflow-tests", recursive=True)


@pytest.fixture
def web():
    pytest.importorskip("aiohttp")
    with serving() as served:
        served.put = served.files.__setitem__
        yield served


@pytest.fixture(params=["memory", "web", "web with ranges"])
def machine(request):
    """One after the other; a server may answer from the first byte on alone."""
    found = request.getfixturevalue(request.param.split()[0])
    found.ranges = request.param != "web"
    return found


@pytest.mark.parametrize("pack", PACKERS)
def test_all_readers_read_packed_files_of_other_machines(machine, pack):
    for number, content in enumerate((TEXT, BINARY, b"2 2\n" + TEXT, TENSORS)):
        machine.put(f"/v{number}", pack(content))
        read = wf.import_vectors(f"{machine.address}/v{number}")
        assert (read.words, read.vectors.tolist()) == (("foo", "bar"), VECTORS.tolist())
    machine.put("/q", pack(b": x\na b c d\n"))
    assert read_pairs(f"{machine.address}/q") == {"x": [("a", "b"), ("c", "d")]}
    machine.put("/p", pack(b"cat dog 9\ndog car 3\n"))
    assert read_ratings(f"{machine.address}/p").pairs == [("cat", "dog", 9.0), ("dog", "car", 3.0)]
    machine.put("/t", pack(b"the cat\n"))
    assert list(read_documents(f"{machine.address}/t")) == ["the cat"]


def test_files_beside_one_another(machine):
    machine.put("/a/tensors.tsv", b"1\t2\n3\t4\n")
    machine.put("/a/metadata.tsv", b"foo\nbar\n")
    machine.put("/b/v.safetensors", save({"m": VECTORS}))
    machine.put("/b/vocab.txt", b"foo\nbar\n")
    for name in ("a/tensors.tsv", "b/v.safetensors"):
        assert wf.import_vectors(f"{machine.address}/{name}").words == ("foo", "bar")
        assert wf.load(f"{machine.address}/{name}").vectors.tolist() == VECTORS.tolist()
    machine.put("/q.questions", b"a b c\n")
    with pytest.raises(ValueError, match="`: category` or four words"):
        read_questions(f"{machine.address}/q.questions")
    machine.put("/q.answers", b"JJ d\n")
    assert read_pairs(f"{machine.address}/q.questions") == {"JJ": [("a", "b"), ("c", "d")]}


def test_folders_of_other_machines(memory):
    memory.put("/t/tensors.tsv", b"1\t2\n3\t4\n")
    memory.put("/t/metadata.tsv", b"foo\nbar\n")
    assert wf.import_vectors("memory://w2vflow-tests/t").words == ("foo", "bar")
    memory.put("/bats/1/one.txt", b"a\tb\nc\td\n")
    memory.put("/bats/1/._one.txt", b"\xff")
    memory.put("/bats/two.txt.gz", gzip.compress(b"e\tf/g\nh\ti\n"))
    memory.put("/bats/metadata.json", b"{}")
    pairs = {"one": [("a", "b"), ("c", "d")], "two": [("e", "f"), ("h", "i")]}
    assert read_pairs("memory://w2vflow-tests/bats") == pairs
    hidden = "memory://w2vflow-tests/bats/1/._*"
    assert [Path(path).name for path in expand_paths([hidden])] == ["._one.txt"]
    with pytest.raises(FileNotFoundError, match=r"no file \*.txt of questions in memory://w2vflow-tests/t\."):
        read_questions("memory://w2vflow-tests/t")


def test_addresses_within_and_through_others(memory):
    memory.put("/z.zip", zipped(TEXT, "in/v.txt"))
    memory.put("/v.txt", TEXT)
    for address in (
        "zip://in/v.txt::memory://w2vflow-tests/z.zip",
        "simplecache::memory://w2vflow-tests/v.txt",
        "zip://*/v.txt::memory://w2vflow-tests/z.zip",
    ):
        if "*" not in address:
            assert wf.import_vectors(address).words == ("foo", "bar")
        assert list(read_documents(address, "lines")) == ["foo 1 2", "bar 3 4"]
    assert is_address("HTTPS://a/b")
    assert not any(map(is_address, ("a/b", "/a", "C:/a", "https:/a", "a::b", "-", "")))
    assert place_of("https://a/b.txt?raw=1#c") == ("https://a/b.txt", "?raw=1#c")
    assert place_of("s3://a/b?c#d") == ("s3://a/b?c#d", "")
    asked = Source("https://a/b/tensors.tsv.gz?raw=1")
    assert (asked.stem, asked.suffix, asked.packing) == ("tensors", ".tsv", ".gz")
    assert str(asked.beside("x.tsv")) == "https://a/b/x.tsv?raw=1"
    assert str(Source("zip://d::s3://b/a.zip").inside("x")) == "zip://d/x::s3://b/a.zip"


def test_no_more_is_fetched_than_is_asked_for(web):
    rows = [b"w%d %d 1 2 3\n" % (number, number) for number in range(10**6)]
    web.files["/v.txt"] = b"".join(rows)
    web.files["/v.bin"] = b"%d 40\n" % 10**5 + b"".join(b"w%d " % n + bytes(160) for n in range(10**5))
    web.files["/v.txt.gz"] = gzip.compress(web.files["/v.txt"], 1)
    for name in web.files:
        words, _ = wf.import_vectors(web.address + name, limit=50)
        assert words == tuple(f"w{number}" for number in range(50))
        # Buffers between the two hold some megabytes.
        assert web.sent[name] < 6e6 < len(web.files["/v.txt"])
        assert web.asked.pop() == ("GET", name)
        assert not web.asked
    assert web.sent["/v.txt"] < 0.4 * len(web.files["/v.txt"])


def test_rows_of_tensors_are_fetched_alone(web):
    many = np.zeros((200_000, 40), np.float32)
    names = np.frombuffer(b"\n".join(b"w%d" % n for n in range(len(many))), np.uint8)
    web.files["/v"], web.ranges = save({"vectors": many, "words": names}), True
    words, vectors = wf.import_vectors(f"{web.address}/v", limit=3)
    assert (words, vectors.shape) == (("w0", "w1", "w2"), (3, 40))
    assert web.sent["/v"] < 0.7 * len(web.files["/v"])


def test_addresses_without_a_file_are_named(machine):
    for read in (wf.import_vectors, read_questions, read_pairs, read_ratings, wf.count, wf.load):
        with pytest.raises(FileNotFoundError, match=rf"no (text )?file {machine.address}/none\.txt\."):
            read(f"{machine.address}/none.txt")


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (500, "Internal Server Error")])
def test_servers_that_refuse_are_named_with_their_reason(web, status, reason):
    web.files["/v.txt"], web.refuses["/v.txt"] = TEXT, status
    for read in (wf.import_vectors, read_questions, read_ratings, wf.count):
        with pytest.raises(ConnectionError, match=rf"/v\.txt could not be read \(.*{status}.*{reason}"):
            read(f"{web.address}/v.txt")


def test_servers_that_break_off_are_never_taken_for_whole_files(web):
    content = b"".join(b"w%d %d 1\n" % (number, number) for number in range(10**5))
    for name, sent in (("/v.txt", content), ("/v.gz", gzip.compress(content)), ("/v.zip", zipped(content))):
        web.files[name] = sent
        web.breaks.add(name)
        for read in (wf.import_vectors, read_ratings, wf.count):
            with pytest.raises(ConnectionError, match=rf"{name} .*[Nn]ot enough data .*fetch it first"):
                read(web.address + name)


def test_no_server_and_no_such_kind_of_address():
    pytest.importorskip("aiohttp")
    with serving() as served:
        gone = served.address
    with pytest.raises(ConnectionError, match=rf"{gone}/v could not be read \(.*Cannot connect"):
        wf.import_vectors(f"{gone}/v")
    for read in (wf.import_vectors, read_questions, read_ratings, wf.count, wf.load):
        with pytest.raises(
            ValueError, match=r"of a kind that fsspec knows, but got foo://a/b \(Protocol not"
        ):
            read("foo://a/b")
        with pytest.raises(FileNotFoundError, match=r"given as text, which a `Path` changes: https://"):
            read(Path("https://a/b"))


def test_a_server_may_unpack_what_it_sends(web):
    web.files["/v.txt.gz"], web.encoding["/v.txt.gz"] = gzip.compress(TEXT), "gzip"
    assert wf.import_vectors(f"{web.address}/v.txt.gz").words == ("foo", "bar")


def test_what_is_asked_of_a_server_is_no_part_of_a_name(web):
    web.files["/t.csv"] = b'id,text\n1,"one two"\n2,three\n'
    assert list(read_documents(f"{web.address}/t.csv?download=1")) == ["one two", "three"]
    web.files["/q.txt"] = b"a b c d\n"
    assert list(read_questions(f"{web.address}/q.txt?x=y.z").categories) == ["q"]


def test_parquet_of_a_server(web):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.table({"text": ["one two", None]}), file)
    web.files["/t.parquet"] = file.getvalue()
    for web.ranges in (False, True):
        assert list(read_documents(f"{web.address}/t.parquet?x=1")) == ["one two"]


def test_only_vectors_are_loaded_from_an_address(memory, tmp_path):
    stats = wf.CooccurrenceStatistics(("a", "b"), np.array([[2, 3], [3, 4]]), np.array([5, 7]))
    stats.save(tmp_path / "counts.npz")
    memory.put("/counts.npz", (tmp_path / "counts.npz").read_bytes())
    with pytest.raises(ValueError, match=r"of this machine, but got .*counts.npz, co-occurrence statistics"):
        wf.load("memory://w2vflow-tests/counts.npz")
    memory.put("/t.nc", b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"of this machine, but got .*t.nc, a dataset\. Fetch it first"):
        wf.load("memory://w2vflow-tests/t.nc")


def test_vectors_ratings_and_questions_from_standard_input(monkeypatch):
    def said(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return "-"

    for pack in PACKERS:
        for content in (TEXT, BINARY, TENSORS):
            assert wf.import_vectors(said(pack(content))).words == ("foo", "bar")
        assert read_pairs(said(pack(b": x\na b c d\n"))) == {"x": [("a", "b"), ("c", "d")]}
        assert read_ratings(said(pack(b"cat dog 9\n"))).pairs == [("cat", "dog", 9.0)]
        assert list(read_documents(said(pack(b"the cat\n")))) == ["the cat"]
