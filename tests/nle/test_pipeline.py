"""The real dubber's project file and its reading of the report; the dub itself is in tests/nle_plugins/test_film_a.py."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from dubkit.nle.dubber import DubRequest
from dubkit.nle.pipeline import PipelineDubber, notes
from dubkit.project import layers, schema

REPORT = {
    "source": {"frames": 100}, "voice": {"problems": ["the dialogue is silent from 1 s on"]},
    "lines": [
        {"start": 1.0, "end": 2.0, "speaker": "S1", "text": "hello", "translation": "hola",
         "faces": [{"state": "undecided", "reason": "two faces move"}], "dub": [{"notes": ["too long by 0.4 s"]}]},
        {"start": 3.0, "end": 4.0, "speaker": "S2", "text": "", "translation": None,
         "faces": [{"state": "on-screen", "reason": ""}, {"state": "off-screen", "reason": ""}], "dub": [{"notes": []}]},
    ],
    "lips": [{"frames": [50, 75], "notes": ["face turned away in 10 frames"]}, {"frames": [80, 90], "notes": []}],
}  # fmt: skip


def test_notes_name_what_a_person_should_look_at():
    assert [(n.start, n.end, n.text) for n in notes(REPORT, 25.0)] == [
        (0.0, 4.0, "the dialogue is silent from 1 s on"),
        (1.0, 2.0, "hola: whose face? two faces move; too long by 0.4 s"),
        (2.0, 3.0, "face turned away in 10 frames"),
    ]


@pytest.mark.parametrize("kind", ["dialogue", "subtitles"])
def test_the_project_file_of_a_reel(kind, tmp_path):
    given = tmp_path / ("dialogue.wav" if kind == "dialogue" else "lines.srt")
    request = DubRequest(
        tmp_path / "reel.mp4", Fraction(25), 100, "pt-BR", "en",
        given if kind == "dialogue" else None, given if kind == "subtitles" else None, None, tmp_path,
    )  # fmt: skip
    file = PipelineDubber.project(request)
    assert file.film == tmp_path / "reel.mp4" and file.project.source.language == "en"
    assert file.project.target["pt-BR"].files() == {kind: given.name}
    file.edit(lambda document: document["target"]["pt-BR"].update({"background": "me.wav"}))
    again = PipelineDubber.project(request)  # a person's decisions stay
    assert again.project.target["pt-BR"].background == "me.wav"
    assert schema.load(Path(file.path)).project == again.project


def test_the_project_of_a_reel_holds_the_settings_that_it_is_dubbed_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("[speech]\nmerge_gap = 0.7\n")
    (tmp_path / "reel").mkdir()
    request = DubRequest(tmp_path / "reel" / "reel.mp4", Fraction(25), 100, "es", "en", tmp_path / "reel" / "d.wav", None,
                         "mine.toml", tmp_path / "reel")  # fmt: skip
    file = PipelineDubber.project(request, {"render.codec": "dnxhr", "lips.crossfade": 5})
    monkeypatch.chdir(tmp_path / "reel")
    settings, _ = layers.merged(file)  # what ``dubkit cast reel.dub.toml`` goes by
    assert (settings.speech.merge_gap, settings.render.codec, settings.lips.crossfade) == (0.7, "dnxhr", 5)
