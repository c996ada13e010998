"""Sources come from addresses and films go to them. memory:// is a store like S3 to this process, file:// a shared disk."""

import fsspec
import pytest

from dubkit.batch import remote
from dubkit.batch.base import Job, passes
from dubkit.batch.ledger import Task
from dubkit.errors import EngineUnavailable, ProjectError, StorageError


@pytest.fixture
def store():
    files = fsspec.filesystem("memory")
    files.pipe("/vault/film.mp4", b"a film")
    yield files
    files.rm("/", recursive=True)


def test_what_is_an_address():
    assert remote.is_address("s3://bucket/film.mp4")
    assert remote.is_address("file:///films/a.mp4")
    for path in ("film.mp4", "/films/a.mp4", r"C:\films\a.mp4", "C://films/a.mp4", "a b://c"):
        assert not remote.is_address(path)


def test_brought_once_and_again_when_it_changed(store, tmp_path):
    path = remote.local_path("memory://vault/film.mp4", tmp_path)
    assert path.name == "film.mp4"
    assert remote.download("memory://vault/film.mp4", path)
    assert path.read_bytes() == b"a film"
    assert not remote.download("memory://vault/film.mp4", path)
    store.pipe("/vault/film.mp4", b"another film")
    assert remote.download("memory://vault/film.mp4", path)
    assert path.read_bytes() == b"another film"
    path.unlink()
    assert remote.download("memory://vault/film.mp4", path)


def test_two_files_of_one_name_do_not_meet(tmp_path):
    one, two = (remote.local_path(f"s3://{bucket}/film.mp4", tmp_path) for bucket in "ab")
    assert one != two


def test_a_signed_address_has_the_name_of_its_file(tmp_path):
    signed = f"https://vault/a/film.es.srt?X-Amz-Date=1&X-Amz-Signature={'0/' * 200}"
    assert remote.local_path(signed, tmp_path).name == "film.es.srt"
    assert remote.local_path("s3://vault/who?.mp4", tmp_path).name == "who?.mp4"


def test_errors_by_name(store, tmp_path):
    with pytest.raises(ProjectError, match="nothing at memory://vault/none.mp4"):
        remote.download("memory://vault/none.mp4", tmp_path / "x")
    with pytest.raises(ProjectError, match="no file system is known for nowhere://"):
        remote.download("nowhere://a/b", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    try:
        import adlfs  # noqa: F401
    except ImportError:
        with pytest.raises(EngineUnavailable, match="pip install adlfs"):
            remote.download("az://a/b", tmp_path / "x")


def test_a_store_that_does_not_answer_may_answer_later(store, tmp_path, monkeypatch):
    class EndpointConnectionError(Exception):
        """As botocore's: no OSError."""

    class NoCredentialsError(Exception):
        pass

    for kind, wanted in ((EndpointConnectionError, StorageError), (NoCredentialsError, NoCredentialsError)):

        def ukey(self, path, kind=kind):
            raise kind("no")

        monkeypatch.setattr(type(store), "ukey", ukey)
        with pytest.raises(wanted) as found:
            remote.download("memory://vault/film.mp4", tmp_path / "x")
        assert passes(found.value) is (wanted is StorageError)


@pytest.mark.parametrize("where", ["memory", "file"])
def test_films_are_sent_whole(store, tmp_path, where):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"dubbed")
    address = "memory://shelf/a/film.mp4" if where == "memory" else (tmp_path / "shelf" / "film.mp4").as_uri()
    remote.upload(film, address)
    with fsspec.open(address) as sent:
        assert sent.read() == b"dubbed"
    if where == "file":
        assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["film.mp4"], "nothing half sent is left"


def test_a_job_brings_what_it_needs(store, tmp_path, monkeypatch):
    from dubkit.batch import work

    path, asked = tmp_path / "film.mp4", []
    monkeypatch.setattr(work.remote, "download", lambda address, path: asked.append(address))
    for step, there, brought in (("prepare", True, 1), ("faces", True, 0), ("faces", False, 1), ("voice", True, 1)):
        asked.clear()
        path.touch() if there else path.unlink()
        with pytest.raises(ProjectError):  # there is no project file; the download comes before it is read
            work.do_job(Job(Task("a", "", step), str(tmp_path / "a.dub.toml"), (("memory://f", str(path)),)), print)
        assert len(asked) == brought
