"""Nothing that a clip, a bin, a path or a timeline is called can leave the mailbox or become code."""

from __future__ import annotations

import json
import os
import stat
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lupa import luajit21

from dubkit.errors import InputError, SettingsError, StorageError
from tests.nle_plugins.desk import module

lua_text, mailbox, worker_settings = module("lua_text"), module("mailbox"), module("settings")
NASTY = [
    '"]]..os.execute("rm -rf ~")..[["',
    "\\",
    '\\"',
    "]]--",
    "\r\n",
    "\0",
    "${HOME}",
    "%q",
    "ñ漢😀",
    "\udcff",
    '"',
    "'",
    "`",
    "@MEDIA@",
]

texts = st.one_of(st.sampled_from(NASTY), st.text(), st.text(alphabet='"\\]=[-\n\r\0')).filter(
    lambda text: not any(0xD800 <= ord(c) < 0xDC80 or 0xDCFF < ord(c) < 0xE000 for c in text)
)
keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda key: key not in lua_text._KEYWORDS)
values = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**53), 2**53), texts),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4), st.dictionaries(keys, inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def lua():
    runtime = luajit21.LuaRuntime(encoding="latin-1", register_eval=False, register_builtins=False)
    runtime.execute(
        "called = 0; os = setmetatable({}, {__index = function() called = called + 1 end}); io = os; resolve = os"
    )
    return runtime


def from_lua(value):
    if luajit21.lua_type(value) == "table":
        items = {key: from_lua(item) for key, item in value.items()}
        return list(items.values()) if set(items) == set(range(1, len(items) + 1)) else items
    return value.encode("latin-1").decode("utf-8", "surrogateescape") if isinstance(value, str) else value


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=150, deadline=None)
@given(value=values)
def test_every_reply_comes_back_as_it_went_and_runs_nothing(lua, value):
    source = lua_text.reply(value)
    assert source.isascii() and b"\n" not in source[:-1] and b"\r" not in source and b"\0" not in source
    assert from_lua(lua.execute(source.decode())) == plain(value)
    assert lua.globals().called == 0


@pytest.mark.parametrize(
    "value", [1.5, None, b"x", {"a b": 1}, {"end": 1}, {1: 2}, {"x": object()}, 1 << 60, {"x;os": 1}, "\ud800"]
)
def test_what_has_no_exact_form_is_refused(value):
    with pytest.raises((ValueError, UnicodeEncodeError)):
        lua_text.reply(value)


@pytest.fixture
def box(tmp_path):
    return mailbox.Mailbox.create(tmp_path / "box")


JOB = "0123456789abcdef" * 2


def put(box, name: str, text: str = "{}") -> None:
    (box.inbox / name).write_text(text)


def test_only_exact_names_are_requests(box):
    good = f"{JOB}.1.aaaa-bb.cc.86400.v1x10x20-v0x0x5.DaVinci-Resolve-21-1.otio"
    bad = [
        good.upper(), good + ".bak", good.replace(".1.", ".3."), "x" + good, good.replace("86400", "-1"), good.replace("v1x10x20", "v1x10"),
        good.replace("aaaa-bb", "..%2f"), good.replace("aaaa-bb", "a b"), good.replace("v0x0x5", "--"), good.replace("otio", "lua"),
    ]  # fmt: skip
    for name in (good, *bad):
        put(box, name)
    [request] = box.requests()
    assert request.path.name == good
    assert [(part.record.start, part.record.stop, part.track) for part in request.scope] == [(10, 30, 1), (0, 5, None)]


@settings(max_examples=80, deadline=None)
@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60))
def test_no_name_in_the_inbox_breaks_the_worker(name, tmp_path_factory):
    box = mailbox.Mailbox.create(tmp_path_factory.getbasetemp() / "fuzzed box")
    if name in (".", ".."):
        return
    try:
        put(box, name)
    except (OSError, ValueError):
        return
    assert box.requests() == []
    (box.inbox / name).unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX")
def test_links_and_open_folders_are_refused(box, tmp_path):
    secret = tmp_path / "secret.otio"
    secret.write_text("{}")
    (box.inbox / f"{JOB}.1.a.b.0.all.v.otio").symlink_to(secret)
    assert box.requests() == []
    for folder in (box.folder, box.inbox, box.outbox, box.acks, box.jobs):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    os.chmod(box.outbox, 0o777)
    with pytest.raises(StorageError, match="can be used by others"):
        box.check()
    os.chmod(box.outbox, 0o700)
    box.acks.rmdir()
    box.acks.symlink_to(tmp_path)
    with pytest.raises(StorageError, match="a link or a file"):
        box.check()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_replies_are_owner_only(box):
    put(box, f"{JOB}.1.a.b.0.all.v.otio")
    [request] = box.requests()
    box.answer(request, {"action": "place", "job": JOB})
    box.fail(request, "why")
    box.beat(1.0)
    box.remember("DaVinci-Resolve-21")
    for path in (*box.outbox.iterdir(), box.folder / "worker.lua", box.folder / "editor.txt"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_mailbox_needs_an_ascii_path(tmp_path):
    with pytest.raises(InputError, match="ASCII"):
        mailbox.Mailbox.create(tmp_path / "buzón")


def test_on_windows_the_mailbox_lies_within_the_profile(tmp_path):
    mailbox._within_profile(tmp_path / "a/b", tmp_path)
    for folder in (tmp_path.parent / "other", tmp_path):
        with pytest.raises(StorageError, match="outside your own profile"):
            mailbox._within_profile(folder, tmp_path)


def test_a_profile_may_be_given_by_its_other_name(tmp_path):
    """Windows knows C:\\Users\\Jürgen as C:\\Users\\JRGEN~1 too, the only one that is ASCII; a link stands in for it here."""
    (tmp_path / "Jürgen").mkdir()
    (tmp_path / "JRGEN~1").symlink_to(tmp_path / "Jürgen", target_is_directory=True)
    mailbox._within_profile(tmp_path / "JRGEN~1" / "dubkit", tmp_path / "Jürgen")
    (tmp_path / "Jürgen" / "out").symlink_to(tmp_path.parent, target_is_directory=True)
    with pytest.raises(StorageError, match="outside your own profile"):
        mailbox._within_profile(tmp_path / "Jürgen" / "out" / "dubkit", tmp_path / "Jürgen")


def test_ids_cannot_leave_the_outbox(box):
    for name in ("../x", "a/b", "", "x" * 65, "a\nb"):
        with pytest.raises(ValueError):
            box.finished(name)


@pytest.mark.parametrize("text", ["[]", "{", '{"language": 5}', '"x"', "null"])
def test_a_choice_that_makes_no_sense(box, text):
    path = box.inbox / f"{JOB}.choice.json"
    path.write_text(text)
    with pytest.raises(SettingsError):
        worker_settings.read_choice(path, worker_settings.WorkerSettings())
    path.write_text(json.dumps({"language": "x" * 5000}))
    with pytest.raises(SettingsError, match="too large"):
        worker_settings.read_choice(path, worker_settings.WorkerSettings())


def test_a_half_written_request_is_waited_for_then_refused(box):
    from tests.fakes.dubber import FakeDubber

    now = [1_000_000.0]
    worker = module("worker").Worker(box, worker_settings.WorkerSettings(), FakeDubber(), clock=lambda: now[0])
    name = f"{JOB}.1.a.b.0.all.v.otio"
    put(box, name, '{"OTIO_SCHEMA": "Timel')
    os.utime(box.inbox / name, (now[0], now[0]))
    assert worker.step() is False and not list(box.outbox.iterdir())
    now[0] += 11
    worker.step()
    assert (box.outbox / f"{JOB}.1.failed.lua").is_file() and not list(box.inbox.iterdir())
    put(box, name)
    os.utime(box.inbox / name, (now[0] - 4000, now[0] - 4000))
    worker.step()
    assert not list(box.inbox.iterdir())


def test_a_request_with_hostile_names_is_answered_or_refused_but_never_escapes(box, tmp_path):
    """Clips named like code, media named like paths."""
    import opentimelineio as otio

    from tests.fakes.dubber import FakeDubber

    for n, name in enumerate(NASTY[:-1]):
        document = otio.schema.Timeline(name.encode("utf-8", "replace").decode())
        track = otio.schema.Track(name.encode("utf-8", "replace").decode())
        span = otio.opentime.TimeRange(otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(10, 25))
        reference = otio.schema.ExternalReference("/nowhere/../" + name.encode("utf-8", "replace").decode(), span)
        track.append(otio.schema.Clip(name.encode("utf-8", "replace").decode(), reference, span))
        document.tracks.append(track)
        job = f"{n:032x}"
        otio.adapters.write_to_file(document, str(box.inbox / f"{job}.1.a.b.0.all.v.otio"), adapter_name="otio_json")
        worker = module("worker").Worker(box, worker_settings.WorkerSettings(), FakeDubber())
        worker.step()
        reply = (box.outbox / f"{job}.1.failed.lua").read_bytes()
        assert reply.isascii() and reply.count(b"\n") == 1
    outside = [path for path in tmp_path.rglob("*") if box.folder not in path.parents and path != box.folder]
    assert outside == []
