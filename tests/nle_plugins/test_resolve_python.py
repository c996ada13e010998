"""The Python menu script for Studio on the same fake: it must do to the timeline exactly what the Lua script does."""

from __future__ import annotations

import copy
import importlib
import runpy
import sys
import types

import pytest

from dubkit.nle.plugins import get
from tests.fakes.films import make_film
from tests.fakes.resolve import Quirks
from tests.nle_plugins.desk import RATES, Desk, module

resolve_plugin = get("resolve").load()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make_film(tmp_path_factory.mktemp("film") / "film.mov", RATES["29.97DF"][0], 100)


def asking_module():
    """The script beside the menu script, imported as Resolve's Python would."""
    sys.path.insert(0, str(get("resolve").folder / "scripts"))
    try:
        return importlib.import_module("asking")
    finally:
        sys.path.pop(0)


WIDGETS = {"VGroup", "HGroup", "Label", "LineEdit", "ComboBox", "Button", "Timer"}  # there is no progress bar


class Widgets:
    """A UIManager and its dispatcher with as much as the window uses. ``script``: what the editor does, one act a tick."""

    def __init__(self, desk: Desk, script):
        self.desk, self.acts, self.items, self.shown, self.serving = desk, list(script), {}, [], True
        self.On = types.SimpleNamespace()
        self.handlers = types.SimpleNamespace(
            Start=types.SimpleNamespace(), Cancel=types.SimpleNamespace(), Dubkit=types.SimpleNamespace()
        )

    def __getattr__(self, kind):
        if kind not in WIDGETS:
            raise AttributeError(f"UIManager has no widget {kind}")

        def make(options):
            if isinstance(options, list):
                return options
            widget = types.SimpleNamespace(
                Text=options.get("Text", ""),
                CurrentIndex=0,
                AddItem=lambda text: None,
                Start=lambda: None,
                Stop=lambda: None,
            )
            self.items[options.get("ID", id(widget))] = widget
            return widget

        return make

    def AddWindow(self, options, children):
        return types.SimpleNamespace(
            On=self.handlers, GetItems=lambda: self.items, Show=lambda: None, Hide=lambda: None
        )

    def RunLoop(self):
        for act in self.acts:
            act(self)
            if self.serving:
                self.desk.worker.step()
            self.On.Timeout({"who": "Tick"})
            self.shown.append(self.items["Status"].Text)

    def ExitLoop(self):
        pass


def start(language=""):
    def act(widgets):
        widgets.items["Language"].Text = language
        widgets.handlers.Start.Clicked({})

    return act


def wait(widgets):
    pass


def run_menu(desk, widgets=None):
    fusion = types.SimpleNamespace(UIManager=widgets)
    bmd = types.SimpleNamespace(UIDispatcher=lambda ui: ui if ui is not None else 1 / 0)
    runpy.run_path(str(desk.scripts / "Dubkit.py"), {"resolve": desk.world.resolve, "fusion": fusion, "bmd": bmd})


def both(film, folder):
    desks = []
    for name in ("lua", "python"):
        desk = Desk(folder / name, film, *RATES["29.97DF"], quirks=Quirks(studio=True))
        desk.cut()
        desks.append(desk)
    return desks


def seen(desk):
    dump = copy.deepcopy(desk.world.dump())
    for timeline in dump["timelines"]:
        for track in timeline["tracks"]:
            for item in track["items"]:
                item.pop("id")
    return str(dump).replace(str(desk.folder), "")


def test_python_places_what_lua_places(film, tmp_path):
    lua, python = both(film, tmp_path)
    before = copy.deepcopy(python.world.dump())
    lua.run()
    widgets = Widgets(python, [start(), wait, wait, wait])
    run_menu(python, widgets)
    assert "placed 18 clips" in widgets.shown[-1]
    assert seen(python) == seen(lua)
    again = Widgets(python, [start(), wait, wait, wait])
    run_menu(python, again)
    assert again.shown[-1] == "already placed; nothing was changed"
    assert not list(python.mailbox.outbox.glob("timeline-*.lua")), "after an undo it is asked for again"
    said = resolve_plugin.undo(python.mailbox.folder, python.world.resolve)
    assert said == ["everything that dubkit placed on this timeline is gone"]
    assert python.world.dump() == before


def test_the_window_chooses_the_language_and_can_cancel(film, tmp_path):
    _, desk = both(film, tmp_path)
    desk.world.timeline.of_kind("video")[0].items[7].speed = 1.0
    desk.world.timeline.of_kind("audio")[1].name = "Dub"
    run_menu(desk, Widgets(desk, [start("fr"), wait]))
    assert any(t.name.startswith("Dubkit fr ") for t in desk.world.timeline.tracks)
    resolve_plugin.undo(desk.mailbox.folder, desk.world.resolve)
    before = copy.deepcopy(desk.world.dump())

    def cancel(widgets):
        start("it")(widgets)
        widgets.handlers.Cancel.Clicked({})

    widgets = Widgets(desk, [cancel, wait])
    run_menu(desk, widgets)
    assert "cancelled" in widgets.shown[-1] and desk.world.dump() == before
    bad = Widgets(desk, [start("../../etc"), wait])
    run_menu(desk, bad)
    assert "is not a language code" in bad.shown[-1]


def test_the_window_shows_progress_and_takes_the_whole_timeline(film, tmp_path):
    _, desk = both(film, tmp_path)
    desk.world.timeline.of_kind("video")[0].items[7].speed = 1.0
    desk.world.timeline.SetMarkInOut(8, 16)

    def whole(widgets):
        widgets.serving, widgets.items["Scope"].CurrentIndex = False, 1
        start("es")(widgets)

    def work(widgets):
        [request] = desk.mailbox.requests()
        assert request.scope == ()
        path = desk.mailbox.outbox / f"{request.job}.progress.ndjson"
        path.write_text('{"done": 10, "total": 100}\n{"done": 37.5, "total": 100}\n')

    def finish(widgets):
        widgets.serving = True

    widgets = Widgets(desk, [whole, work, finish])
    run_menu(desk, widgets)
    assert widgets.shown[:2] == ["waiting for the worker", "38% done"] and "placed 18 clips" in widgets.shown[2]


def test_without_a_window_the_saved_settings_are_used(film, tmp_path, monkeypatch, capsys):
    _, desk = both(film, tmp_path)
    placing = resolve_plugin.placing()
    monkeypatch.setattr("time.sleep", lambda seconds: desk.worker.step())
    run_menu(desk)
    assert "placed 18 clips" in capsys.readouterr().out
    assert placing.TAG == "dubkit:1:"


@pytest.mark.parametrize("quirks", [
    Quirks(append_returns="none"), Quirks(fails_at=5), Quirks(dead_at=3), Quirks(lost_on_save=2), Quirks(shorter_at=7),
    Quirks(refuses_tracks=True), Quirks(refuses_names=True), Quirks(refuses_markers=True), Quirks(render_fails=True),
], ids=repr)  # fmt: skip
def test_rollback(quirks, film, tmp_path):
    desk = Desk(tmp_path, film, *RATES["29.97DF"], quirks=quirks)
    desk.cut()
    before = copy.deepcopy(desk.world.dump())
    widgets = Widgets(desk, [start(), wait, wait])
    run_menu(desk, widgets)
    assert "placed" not in widgets.shown[-1].split() and desk.world.dump() == before


def test_reading_a_reply_never_runs_it(tmp_path):
    lua, asking = module("lua_text"), asking_module()
    value = {"a": [1, -2, True, 'ñ\n"]]\\{}=,'], "b": {"c": False}, "d": ["x"]}
    path = tmp_path / "reply.lua"
    path.write_bytes(lua.reply(value))
    assert asking.read_reply(path) == value
    path.write_text("return os.exit()")
    assert asking.read_reply(path) is None
