"""The registry of weights: order of resolution, the choice behind "auto", adding, fetching, verifying."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import replace
from hashlib import sha256

import pytest

from dubkit import known_weights, weights
from dubkit.errors import WeightsError


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Three empty folders in the place of $DUBKIT_MODELS (not set), the user's folder and the package's."""
    folders = {name: tmp_path / name for name in ("env", "data", "package")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.delenv("DUBKIT_MODELS", raising=False)
    monkeypatch.setattr(weights.platformdirs, "user_data_path", lambda *_, **__: folders["data"])
    monkeypatch.setattr(weights, "BUNDLED", folders["package"])
    folders["user"] = folders["data"] / "models"
    folders["user"].mkdir()
    return folders


def _put(folder, name, content, **meta):
    path = folder / name
    path.write_bytes(content)
    if meta:
        path.with_suffix(".meta.json").write_text(json.dumps(meta))
    return path


def test_nearest_place_wins(places, monkeypatch, tmp_path):
    package = _put(places["package"], "net.pth", b"package")
    assert weights.resolve("net") == package
    user = _put(places["user"], "net.pth", b"user")
    assert weights.resolve("net") == user
    monkeypatch.setenv("DUBKIT_MODELS", str(places["env"]))
    env = _put(places["env"], "net.pth", b"env")
    assert weights.resolve("net") == env
    explicit = _put(tmp_path, "net.pth", b"explicit")
    assert weights.resolve(str(explicit)) == explicit
    assert [w.where for w in weights.installed() if w.name == "net"] == ["DUBKIT_MODELS"]


def test_auto_is_the_shipped_generator_and_never_the_official_one_by_itself(places):
    shipped = _put(places["package"], "dubkit-96.safetensors", b"ours", kind="generator", licence="Apache-2.0")
    _put(places["package"], "dubkit-expert.safetensors", b"judge", kind="expert", licence="Apache-2.0")
    _put(places["user"], "wav2lip_gan.pth", b"theirs")
    assert weights.resolve("auto") == shipped
    assert weights.resolve("wav2lip_gan").name == "wav2lip_gan.pth"


def test_auto_follows_a_standing_choice(places, tmp_path):
    _put(places["package"], "dubkit-96.safetensors", b"ours", kind="generator")
    added = weights.add(_put(tmp_path, "wav2lip_gan.pth", b"theirs"), default=True)
    assert weights.resolve("auto") == added.path
    assert "non-commercial" in weights.describe(added.path)["licence"]


def test_nothing_found_says_what_is_here_and_how_to_get_it(places):
    _put(places["user"], "mine.pth", b"x")
    with pytest.raises(
        WeightsError, match=r"here are: .*mine.*By hand|here are: .*mine.*dubkit models add wav2lip.pth"
    ):
        weights.resolve("wav2lip")
    with pytest.raises(WeightsError, match="dubkit models fetch yunet"):
        weights.resolve("yunet")
    with pytest.raises(WeightsError, match="without lip weights"):
        weights.resolve("auto")


def test_added_weights_keep_their_licence_and_digest(places, tmp_path):
    added = weights.add(_put(tmp_path, "a.onnx", b"abc"), "mine", "mine alone")
    assert (added.name, added.licence, added.path.read_bytes()) == ("mine", "mine alone", b"abc")
    about = weights.describe(added.path)
    assert about["digest"] == "sha256:" + sha256(b"abc").hexdigest() and about["size"] == 3
    assert "as when it was added" in weights.verify("mine")
    added.path.write_bytes(b"abd")
    with pytest.raises(WeightsError, match="has changed since it was added"):
        weights.verify("mine")


@pytest.mark.parametrize("name", ["../up", "auto", ""])
def test_a_name_cannot_leave_the_folder(places, tmp_path, name):
    path = _put(tmp_path, "a.onnx", b"abc")
    if not name:  # no name: the file's own
        assert weights.add(path, name).name == "a"
        return
    with pytest.raises(WeightsError, match="cannot be the name"):
        weights.add(path, name)
    assert not list(places["user"].iterdir())


def test_adding_what_is_no_weight_file(places, tmp_path):
    with pytest.raises(WeightsError, match="there is no file"):
        weights.add(tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="does not look like weights"):
        weights.add(_put(tmp_path, "film.mp4", b"x"))


@pytest.fixture
def server(tmp_path):
    """A web server on this machine that serves one file, whole or cut short."""
    content = b"weights" * 1000

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: 10 if "short" in self.path else None])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", content
        httpd.shutdown()


def _register(monkeypatch, **changes):
    entry = replace(known_weights.KNOWN["yunet"], name="thing", filename="thing.onnx", **changes)
    monkeypatch.setitem(known_weights.KNOWN, "thing", entry)


def test_fetch_checks_and_keeps(places, server, monkeypatch):
    address, content = server
    _register(monkeypatch, url=f"{address}/thing.onnx", sha256=sha256(content).hexdigest())
    seen = []
    got = weights.fetch("thing", lambda done, total: seen.append((done, total)))
    assert got.path.read_bytes() == content and seen[-1] == (len(content), len(content))
    assert weights.resolve("thing") == got.path
    assert "as published" in weights.verify("thing")


@pytest.mark.parametrize(
    ("path", "digest", "message"), [("thing", "0" * 64, "not the published file"), ("short", None, "broke off")]
)
def test_a_bad_download_leaves_nothing(places, server, monkeypatch, path, digest, message):
    address, _ = server
    _register(monkeypatch, url=f"{address}/{path}", sha256=digest)
    with pytest.raises(WeightsError, match=message):
        weights.fetch("thing")
    assert not list(places["user"].iterdir())


def test_fetch_without_an_address_says_how_by_hand(places):
    with pytest.raises(WeightsError, match=r"fetch wav2lip_gan\.pth by hand"):
        weights.fetch("wav2lip_gan")
    with pytest.raises(WeightsError, match="no known weights 'nothing'"):
        weights.fetch("nothing")


def test_known_entries_are_complete():
    for known in known_weights.KNOWN.values():
        assert known.licence and known.source and known.filename and known.remedy()
        assert known.sha256 is None or set(known.sha256) <= set("0123456789abcdef")
        assert known.url or known.install or "by hand" in known.remedy()
    for name in ("wav2lip", "wav2lip_gan", "lipsync_expert"):
        assert "non-commercial" in known_weights.KNOWN[name].licence


def test_the_digests_of_the_shared_models(shared):
    for name, file in (("lr_asd_ava", "lr_asd_pretrain_AVA.model"), ("yunet_n_dynamic", "yunet_n_dynamic.onnx")):
        path, known = shared / "models" / file, known_weights.KNOWN[name]
        assert weights.file_sha256(path) == f"sha256:{known.sha256}" and path.stat().st_size == known.size
