"""install, uninstall, doctor and serve."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from lupa import luajit21

from dubkit.errors import EngineUnavailable, SettingsError, StorageError
from dubkit.nle.plugins import get
from tests.fakes.dubber import FakeDubber
from tests.nle_plugins.desk import module

resolve = get("resolve").load()


@pytest.mark.parametrize(("platform", "environment", "folder"), [
    ("darwin", {"HOME": "/Users/a b"}, "/Users/a b/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Scripts/Utility"),
    ("linux", {"HOME": "/people/a"}, "/people/a/.local/share/DaVinciResolve/Fusion/Scripts/Utility"),
    ("win32", {"APPDATA": "C:/Users/a/AppData/Roaming"}, "C:/Users/a/AppData/Roaming/Blackmagic Design/DaVinci Resolve/Support/Fusion/Scripts/Utility"),
])  # fmt: skip
def test_the_script_folder_of_each_system(platform, environment, folder):
    assert resolve.script_folder(platform, environment).as_posix() == folder


def test_install_twice_then_uninstall(tmp_path):
    folder, box = tmp_path / "Utility", tmp_path / "box"
    written = resolve.install(box, folder, language="fr")
    assert [path.name for path in written] == ["Dubkit.lua", "Dubkit Undo.lua", "Dubkit.py"]
    for path in written:
        text = path.read_text("ascii")
        assert "@" not in text.split("\n", 1)[1].replace("#%&@!?", "") or path.suffix == ".py"
        assert str(box) in text or box.as_posix() in text
        if path.suffix == ".lua":
            assert luajit21.LuaRuntime().compile(text)
        else:
            compile(text, path.name, "exec")
    resolve.install(box, folder)
    assert module("settings").load(box).language == "fr"  # kept
    assert {path.name for path in resolve.uninstall(folder)} == {"Dubkit.lua", "Dubkit Undo.lua", "Dubkit.py"}
    assert list(folder.iterdir()) == [] and (box / "jobs").is_dir()
    assert resolve.uninstall(folder) == []


def test_files_of_others_are_never_touched(tmp_path):
    theirs = tmp_path / "Dubkit.lua"
    theirs.write_text("print('mine')")
    with pytest.raises(StorageError, match="dubkit did not write it"):
        resolve.install(tmp_path / "box", tmp_path)
    assert resolve.uninstall(tmp_path) == [] and theirs.read_text() == "print('mine')"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Dubkit.lua", "box"]


def test_a_mailbox_whose_name_looks_like_code(tmp_path):
    box = tmp_path / 'a"]]@MEDIA@ $(x) %d'
    [script, *_] = resolve.install(box, tmp_path / "Utility")
    lua = luajit21.LuaRuntime()
    lines = script.read_text("ascii").split("\n")
    line = next(line for line in lines if line.startswith("local MAILBOX"))
    assert lua.execute(line + "\nreturn MAILBOX") == box.as_posix()
    assert lua.execute(line + "\nreturn MEDIA") == (box / "jobs").as_posix()


@pytest.mark.parametrize(("platform", "executable", "expected"), [
    ("linux", "/usr/bin/py thon", "'/usr/bin/py thon' -m dubkit resolve serve --mailbox '/m b' --idle 900 >/dev/null 2>&1 &"),
    ("linux", "/x'; rm -rf ~ #", """'/x'"'"'; rm -rf ~ #' -m dubkit resolve serve --mailbox '/m b' --idle 900 >/dev/null 2>&1 &"""),
    ("win32", "C:\\py\\python.exe", 'start "" /b "C:\\py\\python.exe" "-m" "dubkit" "resolve" "serve" "--mailbox" "/m b" "--idle" "900"'),
    ("win32", "C:\\%PATH%\\python.exe", ""),
    ("win32", 'C:\\a"&calc\\python.exe', ""),
])  # fmt: skip
def test_the_command_that_starts_a_worker(platform, executable, expected):
    assert module("install").start_command(Path("/m b"), platform, executable) == expected


def test_doctor_names_what_is_missing(tmp_path):
    folder, box = tmp_path / "Scripts/Utility", tmp_path / "box"
    found = {check.name: check for check in resolve.doctor(box, folder)}
    assert found["mailbox"].ok is False and "dubkit resolve install" in found["mailbox"].detail
    assert found["Dubkit.lua"].ok is False
    resolve.install(box, folder)
    found = {check.name: check for check in resolve.doctor(box, folder)}
    assert all(found[name].ok for name in ("mailbox", "Dubkit.lua", "Dubkit Undo.lua", "Dubkit.py", "codecs"))
    assert found["worker"].ok is False and found["asked last"].ok is None and "nobody yet" in found["asked last"].detail
    module("mailbox").Mailbox(box).remember("DaVinci-Resolve-Studio-21-0-4-5")
    assert "Studio-21" in next(c.detail for c in resolve.doctor(box, folder) if c.name == "asked last")
    script = folder / "Dubkit.lua"
    script.write_text(script.read_text().replace("placed", "put"))
    found = {check.name: check for check in resolve.doctor(box, folder)}
    assert found["Dubkit.lua"].ok is False and "another version" in found["Dubkit.lua"].detail


def test_serve_is_alone_and_seen(tmp_path):
    box, stop = tmp_path / "box", threading.Event()
    resolve.install(box, tmp_path / "Utility")
    thread = threading.Thread(target=resolve.serve, args=(box, FakeDubber()), kwargs={"stop": stop.is_set}, daemon=True)
    thread.start()
    for _ in range(100):
        if (box / "worker.lua").is_file():
            break
        stop.wait(0.05)
    assert {check.name: check.ok for check in resolve.doctor(box, tmp_path / "Utility")}["worker"] is True
    with pytest.raises(StorageError, match="serves .* already"):
        resolve.serve(box, FakeDubber())
    stop.set()
    thread.join(5)
    assert not thread.is_alive() and not (box / "worker.lua").exists()
    with pytest.raises(SettingsError, match="no worker setting 'langauge'"):
        resolve.serve(box, FakeDubber(), {"langauge": "es"})
    resolve.serve(box, FakeDubber(), idle=0.0)  # ends by itself
    assert (box / "worker.log").is_file()


def test_paths_among_the_settings_count_from_where_they_were_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changed, default = module("settings").changed, module("settings").WorkerSettings()
    assert changed(default, {"preset": "mine.toml"}).preset == str(tmp_path / "mine.toml")
    assert changed(default, {"preset": "draft"}).preset == "draft"
    assert changed(default, {"dialogue": Path("es.wav")}).dialogue == str(tmp_path / "es.wav")


def test_other_settings_forget_finished_dubs(tmp_path):
    box = module("mailbox").Mailbox.create(tmp_path / "box")

    def make(language, **flags):
        fake = FakeDubber()
        fake.flags = flags
        return module("worker").Worker(box, module("settings").WorkerSettings(language=language), fake)

    make("es", crossfade=3).forget_other_settings()
    box.finished("a").write_text("return {}")
    make("es", crossfade=4).forget_other_settings()
    assert not box.finished("a").exists()
    make("es").forget_other_settings()
    box.finished("a").write_text("return {}")
    make("es").forget_other_settings()
    assert box.finished("a").is_file()
    make("fr").forget_other_settings()
    assert not box.finished("a").exists()


def test_undo_from_outside_needs_studio(tmp_path, monkeypatch):
    monkeypatch.setenv("RESOLVE_SCRIPT_API", str(tmp_path))
    resolve.install(tmp_path / "box", tmp_path / "Utility")
    with pytest.raises(EngineUnavailable, match="Dubkit Undo"):
        resolve.undo(tmp_path / "box")
