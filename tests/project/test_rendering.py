"""How a piece of film is named, and what is said of the way in which its lips were put into it."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from dubkit.lips.result import LipResult
from dubkit.media import aac
from dubkit.media.mux import AudioTrack
from dubkit.pieces import Pieces
from dubkit.project import reads, rendering, schema
from dubkit.render.encode import plan_pieces
from dubkit.settings import RenderSettings, Settings
from dubkit.types import FrameRange, Media, Shot, VideoStream

FILM = Media(Path("film.mp4"), "d", "mp4", 4.0, VideoStream(0, "h264", 64, 48, Fraction(25), Fraction(1, 25), 100, 0.0))


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A film of two shots with a lip result in each; the second may be of a GPU."""
    said, results = [], {}
    monkeypatch.setattr(rendering, "lip_results", lambda work: results)

    def prepared(stats):
        for job, start, about in (("one", 0, {"device": "cpu"}), ("two", 50, stats)):
            frames, path = np.arange(start, start + 2), tmp_path / f"{job}.npz"
            LipResult(job, frames, np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 2, 3), np.float32), np.ones(2, np.float32),
                      np.zeros((2, 6), np.float32), stats=about).save(path)  # fmt: skip
            results[job] = (FrameRange(start, start + 2), path)
        return SimpleNamespace(media=lambda: FILM, shots=lambda: (Shot(0, FrameRange(0, 50)), Shot(1, FrameRange(50, 100))),
                               settings=SimpleNamespace(render=RenderSettings()), folder=tmp_path, say=said.append, said=said)  # fmt: skip

    return prepared


def names(work, ways):
    pieces, _ = rendering._plan(work, ways)
    return [piece.path.name for piece in pieces]


def test_on_a_cpu_pieces_keep_their_names(work):
    made = work({"device": "cpu"})
    ways = rendering._ways(made)
    assert ways == {"one": "opencv", "two": "opencv"} and not made.said
    lips = {"one": FrameRange(0, 2), "two": FrameRange(50, 52)}
    as_always = plan_pieces(FILM, made.shots(), lips, RenderSettings(), made.folder / "pieces")
    assert names(made, ways) == [piece.path.name for piece in as_always]


def test_lips_of_a_gpu_name_their_pieces_and_are_told_of_where_there_is_none(work, monkeypatch):
    monkeypatch.setattr(pytest.importorskip("torch").cuda, "device_count", lambda: 0)
    on_cpu = names(work({}), rendering._ways(work({})))
    made = work({"device": "cuda:9", "pixels": "torch"})
    ways = rendering._ways(made)
    assert ways == {"one": "opencv", "two": "torch"}
    assert [a == b for a, b in zip(names(made, ways), on_cpu, strict=True)] == [True, False]
    assert len(made.said) == 1 and "a GPU which this machine has not" in made.said[0] and "(jobs: 1)" in made.said[0]


def test_sound_that_is_to_be_aac_is_encoded_beside_the_pieces(work, tmp_path):
    tracks = []
    for channels in (1, 2, 4, 6):
        soundfile.write(tmp_path / f"{channels}.flac", np.full((4800, channels), 0.1), 48_000, subtype="PCM_24")
        tracks.append(AudioTrack(tmp_path / f"{channels}.flac", "es", "Dub", channels == 2))
    made = work({})
    made.pieces, made.part = Pieces(), lambda start, stop: lambda done, total: None
    found = rendering._encoded(made, tracks)
    folder = tmp_path / "pieces"
    paths = [folder / "sound-0.m4a", folder / "sound-1.m4a", tracks[2].path, folder / "sound-3.m4a"]
    assert [track.path for track in found] == paths and [track.encoded for track in found] == [True, True, False, True]
    assert [(t.language, t.title, t.default) for t in found] == [(t.language, t.title, t.default) for t in tracks]
    assert [aac.layout_of(path)[1] for path in paths] == [1, 2, 4, 6]
    made.settings = SimpleNamespace(render=RenderSettings(audio_codec="flac"))
    assert rendering._encoded(made, tracks) == tracks


@pytest.mark.parametrize(
    ("encoding", "copied"), [("utf-8", False), ("utf-8-sig", False), ("utf-16", True), ("cp1252", True)]
)
def test_subtitles_go_into_the_film_as_utf8(tmp_path, encoding, copied):
    """ffmpeg leaves out every cue of other encodings that has an accent, or fails."""
    text = "1\n00:00:00,200 --> 00:00:00,900\nMañana será\n"
    (tmp_path / "es.srt").write_bytes(text.encode(encoding))
    given = rendering._as_utf8(tmp_path / "es.srt", tmp_path / "render")
    assert given.read_text("utf-8-sig") == text and (given != tmp_path / "es.srt") == copied
    (tmp_path / "film.dub.toml").write_text(
        'schema = "dubkit.project/1"\nsource.film = "film.mp4"\ntarget.es.subtitles = "es.srt"\n'
    )
    project = schema.load(tmp_path / "film.dub.toml")
    (name,) = reads.spoken_subtitles(project, Settings(), "es")
    assert (name != "subtitles") == copied, "films that were made without these cues are made again"
