"""The careless user: every mistake is answered by one message that names the thing and an exit code, never by a traceback."""

from __future__ import annotations

import errno
import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dubkit.media.audio import write_audio
from tests.media.recipes import make_film

SECOND = np.zeros((1, 48_000), np.float32)


@pytest.fixture
def dub(tmp_path):
    write_audio(tmp_path / "dub.flac", SECOND, 48_000)
    return tmp_path / "dub.flac"


def project_text(film: str = "film.mp4", dialogue: str = "dub.flac", more: str = "") -> str:
    return f"schema = \"dubkit.project/1\"\n[source]\nfilm = '{film}'\n[target.es]\ndialogue = '{dialogue}'\n{more}"


@pytest.mark.parametrize("name, words", [
    ("letter.mp4", "not a film"), ("empty.mp4", "is empty"), ("none.mp4", "there is no file"), ("folder.mp4", "is a folder"),
    ("half.mp4", "truncated"), ("sound.flac", "has no picture"), ("nothing.mkv", "zero length|not a film|without a single picture"),
])  # fmt: skip
def test_what_is_no_film(dubkit, tmp_path, dub, name, words):
    (tmp_path / "letter.mp4").write_text("Dear Sir or Madam, this is a letter.\n" * 40)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    whole = make_film(tmp_path / "whole.mp4", frames=60).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    write_audio(tmp_path / "sound.flac", SECOND, 48_000)
    _without_pictures(tmp_path / "nothing.mkv")
    said = dubkit("new", name, "--to", "es", "--dialogue", dub)
    assert said.code == 2 and name in said.words
    assert any(word in said.words for word in words.split("|")), said.err
    assert not list(tmp_path.glob("*.dub.toml"))


def _without_pictures(path: Path) -> None:
    """A Matroska file with a picture stream that holds no packet."""
    import av

    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.start_encoding()


def test_a_film_that_became_something_else_after_new(dubkit, tmp_path, dub):
    make_film(tmp_path / "film.mp4", frames=10)
    assert dubkit("new", "film.mp4", "--to", "es", "--dialogue", dub).code == 0
    (tmp_path / "film.mp4").write_text("gone bad")
    said = dubkit("dub", "film.dub.toml", "--until", "ingest", "--progress", "none")
    assert said.code == 2 and "film.mp4 is not a film" in said.words
    assert "failed" in dubkit("status", "film.dub.toml").out
    make_film(tmp_path / "film.mp4", frames=10)
    assert dubkit("dub", "film.dub.toml", "--until", "ingest", "--progress", "none").code == 0


def test_a_dub_that_is_no_sound(dubkit, tmp_path):
    make_film(tmp_path / "film.mp4", frames=10)
    assert dubkit("new", "film.mp4", "--to", "es", "--dialogue", "none.flac").code == 2
    assert dubkit("new", "film.mp4", "--to", "es").code == 2  # no dub at all
    (tmp_path / "letter.flac").write_text("not a sound\n" * 20)
    said = dubkit("new", "film.mp4", "--to", "es", "--dialogue", "letter.flac")
    assert said.code == 2 and "letter.flac" in said.words
    said = dubkit("new", "film.mp4", "--to", "es", "--subtitles", "film.mp4")
    assert said.code == 2 and "text" in said.words
    said = dubkit("new", "film.mp4", "--to", "es", "--stem", "ANA")
    assert said.code == 2 and "NAME=FILE" in said.words
    for name in "ab":
        write_audio(tmp_path / f"{name}.flac", SECOND, 48_000)
    said = dubkit("new", "film.mp4", "--to", "es", "--stem", "ANA=a.flac", "--stem", "ANA=b.flac")
    assert said.code == 2 and "two files for 'ANA': a.flac and b.flac" in said.words


def test_a_film_without_sound_says_what_is_missing(dubkit, tmp_path, dub):
    make_film(tmp_path / "film.mp4", frames=10, sound=False)
    assert dubkit("new", "film.mp4", "--to", "es", "--dialogue", dub).code == 0
    said = dubkit("dub", "film.dub.toml", "--until", "diarize", "--progress", "none")
    assert said.code == 2 and "no sound" in said.words and "speech.diarization" in said.words


def test_corrupt_packets_in_the_middle_are_survived_and_told(dubkit, tmp_path, dub):
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader

    path = make_film(tmp_path / "film.mkv", frames=60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(1).bytes(300)
    path.write_bytes(data)
    assert dubkit("new", "film.mkv", "--to", "es", "--dialogue", dub).code == 0
    said = dubkit("dub", "film.dub.toml", "--until", "ingest", "--progress", "log")
    assert said.code == 0, said.err
    media = probe(path)
    with FrameReader(media) as reader:
        assert len(list(reader.read())) == media.video.num_frames
        assert reader.warnings or media.warnings


AWKWARD = [
    "with space",
    'quote\'s "double"',
    "new\nline",
    "-leading",
    "ünïcödé 映画",
    "[brackets] {braces} %04d",
    "$HOME `id` ;|&",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_from_new_to_dub(dubkit, tmp_path, name):
    if os.name == "nt" and any(c in name for c in '"\n|'):
        pytest.skip("Windows has no such file names")
    folder = tmp_path / name
    folder.mkdir()
    film = make_film(folder / f"{name}.mp4", frames=12)
    write_audio(folder / f"{name}.flac", SECOND, 48_000)
    said = dubkit("new", "--to", "es", "--stem", f"ANA={folder / name}.flac", "--", film)
    assert said.code == 0, said.err
    project = folder / f"{name}.dub.toml"
    said = dubkit("dub", "--until", "ingest", "--progress", "none", "--", project)
    assert said.code == 0, said.err
    assert "done" in dubkit("status", "--", project).out


def test_a_relative_name_with_a_leading_dash(dubkit, tmp_path, dub):
    make_film(tmp_path / "-i.mp4", frames=6)
    assert dubkit("new", "--to", "es", "--dialogue", "dub.flac", "--", "-i.mp4").code == 0
    assert dubkit("dub", "--until", "ingest", "--progress", "none", "--", "-i.dub.toml").code == 0


def test_a_full_disk(dubkit, tmp_path, dub, monkeypatch):
    make_film(tmp_path / "film.mp4", frames=10)
    (tmp_path / "film.dub.toml").write_text(project_text())
    real = os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = dubkit("dub", "film.dub.toml", "--until", "ingest", "--progress", "none")
    assert said.code == 5 and "the disk is full" in said.words and "run the same command again" in said.words
    assert not [path for path in (tmp_path / "film.dubkit").rglob("*") if ".part" in path.name]
    monkeypatch.setattr(os, "fsync", real)
    assert dubkit("dub", "film.dub.toml", "--until", "ingest", "--progress", "none").code == 0


def test_a_read_only_folder(dubkit, tmp_path, dub, monkeypatch):
    make_film(tmp_path / "film.mp4", frames=10)
    (tmp_path / "film.dub.toml").write_text(project_text())
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # root may write anywhere: let the system refuse for it
        real = Path.mkdir

        def refuse(self, *args, **kwargs):
            if self.name == "film.dubkit":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
            return real(self, *args, **kwargs)

        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        tmp_path.chmod(0o555)
    try:
        said = dubkit("dub", "film.dub.toml", "--until", "ingest", "--progress", "none")
    finally:
        tmp_path.chmod(0o755)
    assert said.code == 5 and "no permission to write there" in said.words


def test_a_project_that_was_moved_is_up_to_date(dubkit, tmp_path, dub):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    make_film(here / "film.mp4", frames=10)
    shutil.copy(dub, here)
    assert dubkit("new", here / "film.mp4", "--to", "es", "--dialogue", here / "dub.flac").code == 0
    assert dubkit("dub", here / "film.dub.toml", "--until", "ingest", "--progress", "none").code == 0
    here.rename(there)
    said = dubkit("dub", there / "film.dub.toml", "--until", "ingest", "--progress", "log")
    assert said.code == 0 and "up to date" in said.err
    (there / "film.mp4").unlink()
    said = dubkit("dub", there / "film.dub.toml", "--progress", "none")
    assert said.code == 2 and "source.film = 'film.mp4'" in said.words


def test_a_moved_project_is_read_from_its_new_place(dubkit, tmp_path, dub):
    """What was ingested remembers no absolute path: the film beside the project is the one that is read."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    make_film(here / "film.mp4", frames=30)
    shutil.copy(dub, here)
    (here / "film.dub.toml").write_text(project_text())
    assert dubkit("dub", here / "film.dub.toml", "--until", "ingest", "--progress", "none").code == 0
    here.rename(there)
    said = dubkit("dub", there / "film.dub.toml", "--until", "shots", "--progress", "log")
    assert said.code == 0, said.err
    assert "ingest: up to date" in said.err


def test_mistakes_in_the_project_file(dubkit, tmp_path, dub):
    make_film(tmp_path / "film.mp4", frames=6)
    cases = {
        project_text(more="[settings.lips]\ncrosfade = 3\n"): "did you mean 'crossfade'",
        project_text(more="[settings.lips]\ncrossfade = 99\n"): "lips.crossfade = 99",
        project_text().replace("[target.es]", "[targets.es]"): "did you mean 'target'",
        project_text().replace("project/1", "project/9"): "dubkit.project/1",
        project_text().replace("film.mp4", "flim.mp4"): "source.film = 'flim.mp4'",
        'schema = "dubkit.project/1': "not valid TOML",
    }
    for text, words in cases.items():
        (tmp_path / "film.dub.toml").write_text(text)
        said = dubkit("dub", "film.dub.toml", "--progress", "none")
        assert said.code == 2 and words in said.words, said.err


def test_a_rate_that_is_none(dubkit, tmp_path, dub):
    make_film(tmp_path / "film.mp4", frames=10, times=[Fraction(n * n, 300) for n in range(10)])
    (tmp_path / "film.dub.toml").write_text(project_text())
    said = dubkit("dub", "film.dub.toml", "--until", "ingest", "--set", "media.vfr_rate=fast", "--progress", "none")
    assert said.code == 2 and "fast" in said.words


def test_names_with_brackets_and_long_paths_are_said_in_full(dubkit, tmp_path, dub):
    make_film(tmp_path / "Film [es] [b].mp4", frames=10)
    said = dubkit("new", "Film [es] [b].mp4", "--to", "es", "--dialogue", dub)
    assert said.code == 0 and "Film [es] [b].dub.toml" in said.out
    (tmp_path / "dub.flac").unlink()
    assert "Film [es] [b].dub.toml" in dubkit("status", "Film [es] [b].dub.toml", "--to", "fr").words
    weights = f"/{'w' * 90}/[b].safetensors"
    shown = dubkit("settings", "--set", f"lips.weights={weights}", "--changed").out
    assert "".join(shown.split()).replace("│", "").count("w") > 90 and "[b]" in shown


def test_a_preset_of_ones_own_is_found_from_where_one_is(dubkit, tmp_path, dub):
    (tmp_path / "films").mkdir()
    make_film(tmp_path / "films" / "film.mp4", frames=10)
    (tmp_path / "mine.toml").write_text("[lips]\ncrossfade = 5\n")
    assert dubkit("new", "films/film.mp4", "--to", "es", "--dialogue", dub, "--preset", "mine.toml").code == 0
    assert 'preset = "../mine.toml"' in (tmp_path / "films" / "film.dub.toml").read_text()
    assert "5" in dubkit("settings", "films/film.dub.toml", "--changed").out
    assert "5" in dubkit("settings", "films/film.dub.toml", "--changed", "--preset", "./mine.toml").out


def test_a_film_that_may_not_be_read(dubkit, tmp_path, dub, monkeypatch):
    make_film(tmp_path / "film.mp4", frames=10)
    assert dubkit("new", "film.mp4", "--to", "es", "--dialogue", dub).code == 0
    assert dubkit("dub", "film.dub.toml", "--until", "ingest", "--progress", "none").code == 0

    def denied(path, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("dubkit.project.pipeline.file_digest", denied)
    said = dubkit("status", "film.dub.toml")
    assert said.code == 1 and "film.mp4: Permission denied" in said.words
