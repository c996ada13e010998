"""Our Protocols against the published stubs' syntax tree; the scripts and the fake against our Protocols."""

from __future__ import annotations

import ast
import os
import re
from importlib import metadata, util
from pathlib import Path

import pytest

from dubkit.nle.plugins import get
from tests.fakes import resolve as fake

PLUGIN = get("resolve").folder
NEWER = {"Timeline.GetSelectedClips": "21.0.4"}  # than the stubs, which are of 21.0.0
SPELT = {"EXPORT_OTIO", "EXPORT_FCP_7_XML"}


def methods(path: Path) -> dict[str, dict[str, list[ast.arguments]]]:
    found: dict[str, dict[str, list[ast.arguments]]] = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            inside = found.setdefault(node.name, {})
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    inside.setdefault(item.name, []).append(item.args)
    return found


OURS = methods(PLUGIN / "api.py")


def stubs() -> dict[str, dict[str, list[ast.arguments]]]:
    try:
        files = metadata.files("fusionscript-stubs")
    except metadata.PackageNotFoundError:
        pytest.skip("fusionscript-stubs is not installed")
    [path] = [file.locate() for file in files if str(file).endswith("fusionscript.pyi")]
    return methods(Path(path))


def compare(theirs) -> list[str]:
    problems = []
    for name, wanted in OURS.items():
        if name not in theirs:
            problems.append(f"no class {name}")
            continue
        for method, [arguments] in wanted.items():
            if f"{name}.{method}" in NEWER:
                continue
            if method not in theirs[name]:
                problems.append(f"no method {name}.{method}")
                continue
            most = len(arguments.args)
            fits = [a for a in theirs[name][method] if a.vararg or len(a.args) + len(a.kwonlyargs) >= most]
            if not fits:
                problems.append(f"{name}.{method} takes fewer arguments than we give")
    return problems


def test_every_method_we_call_is_in_the_stubs():
    assert compare(stubs()) == []


def test_what_is_newer_than_the_stubs_is_really_absent_there():
    theirs = stubs()
    assert [name for name in NEWER if name.split(".")[1] in theirs[name.split(".")[0]]] == []


def test_an_installed_catalogue_of_blackmagic_agrees():
    path = os.environ.get("DUBKIT_RESOLVE_PYI")
    if not path:
        pytest.skip("set DUBKIT_RESOLVE_PYI to an installed DaVinciResolveScript.pyi")
    assert compare(methods(Path(path))) == []


def test_the_comparison_can_fail():
    theirs = stubs()
    del theirs["Timeline"]["AddTrack"]
    theirs["MediaPool"]["AddSubFolder"][0].args.pop()
    assert compare(theirs) == [
        "no method Timeline.AddTrack",
        "MediaPool.AddSubFolder takes fewer arguments than we give",
    ]


def test_the_scripts_call_nothing_else():
    known = {method for inside in OURS.values() for method in inside} | SPELT
    for path in sorted((PLUGIN / "scripts").iterdir()):
        if path.suffix not in (".lua", ".py"):
            continue
        text = path.read_text("ascii")
        if path.name == "menu.py":
            continue  # the window speaks to UIManager
        called = set(re.findall(r"[:.]([A-Z][A-Za-z]+)\(", text)) | set(
            re.findall(r"""(?:try|attempt)\([\w.]+, "(\w+)\"""", text)
        )
        assert called - known - {"Stopped", "Sequence", "Job"} == set(), path.name


def test_the_fake_knows_what_the_protocols_say():
    for name, wanted in OURS.items():
        there = getattr(fake, name)
        for method, [arguments] in wanted.items():
            code = getattr(there, method).__code__
            assert code.co_argcount >= len(arguments.args), f"{name}.{method}"


def test_the_restricted_script_uses_no_symbol_that_free_has_lost():
    for name in ("common.lua", "dubkit.lua", "render.lua", "undo.lua"):
        text = re.sub(r"--.*", "", (PLUGIN / "scripts" / name).read_text("ascii"))
        assert not re.search(r"\b(io|ffi|package|debug)\s*[.:\[]|\brequire\b|os\.(remove|rename)", text), name
        for line in text.splitlines():
            if "os.execute" in line:
                assert 'type(os.execute) == "function"' in line


def test_pybmd_is_another_client_of_the_fake(tmp_path):
    """A wrapper that others wrote, driving our fake: what it reads must be what the fake holds."""
    if util.find_spec("pybmd") is None:
        pytest.skip("pybmd is not installed")
    from fractions import Fraction

    from pybmd.timeline import Timeline, TrackType

    world = fake.World(Fraction(25), 90000)
    world.track("video")
    timeline = Timeline(world.timeline)
    assert timeline.get_start_frame() == 90000
    assert timeline.get_track_count(TrackType.VIDEO_TRACK) == 1
    assert timeline.get_track_name(TrackType.VIDEO_TRACK, 1) == "Video 1"
    assert timeline.add_marker(5, "Green", "name", "note", 1, "mine")
    assert timeline.get_marker_by_custom_data("mine")["name"] == "name"
    assert timeline.delete_marker_by_custom_data("mine") and not timeline.get_markers()
