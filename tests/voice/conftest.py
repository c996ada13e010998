"""A small film for the ear: three turns of two people, with sound that behaves like speech, and M&E under it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dubkit.settings import VoiceSettings
from dubkit.types import Line, Segment, Turn
from dubkit.voice.dub import Dub, DubSource, make_dub
from dubkit.voice.text import split_speaker

RATE = 48_000


def babble(seconds: float, seed: int, pitch: float = 140.0, level: float = 0.2, rate: int = RATE) -> np.ndarray:
    """Sound with a pitch, harmonics that fall off and five syllables a second: float32 (N,)."""
    n = round(seconds * rate)
    t = np.arange(n) / rate
    rng = np.random.default_rng(seed)
    wobble = 2 * np.pi * pitch * (t + 0.002 * np.sin(2 * np.pi * 3 * t))
    voice = sum(np.sin(k * wobble + rng.uniform(0, 6)) / k**1.3 for k in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 5 * t - np.pi / 2)
    edge = np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
    sound = voice * syllables * edge
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def write(path: Path, audio: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """(C, N) or (N,) as a sound file."""
    soundfile.write(path, np.atleast_2d(audio).T, rate, subtype=subtype)
    return path


def read(path: Path) -> np.ndarray:
    """(C, N) float32, exactly what is in the file."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return audio.T


@dataclass(frozen=True)
class SmallFilm:
    """10 s; Ana 1-3 s and 7-9 s, Ben 4-6 s."""

    folder: Path
    turns: tuple[Turn, ...]
    lines: tuple[Line, ...]
    duration: float = 10.0
    samples: int = 10 * RATE

    def dialogue(
        self, seed: int, level: float = 0.2, who: Sequence[str] = ("ana", "ben"), share: float = 1.0
    ) -> np.ndarray:
        """Everybody's speech (N,), each line filling ``share`` of its turn."""
        audio = np.zeros(self.samples, np.float32)
        for i, turn in enumerate(self.turns):
            if turn.speaker in who:
                sound = babble(turn.segment.duration * share, seed + i, 210 if turn.speaker == "ana" else 110, level)
                start = round(turn.segment.start * RATE)
                audio[start : start + len(sound)] += sound
        return audio

    def effects(self, channels: int = 2, level: float = 0.02, seed: int = 5) -> np.ndarray:
        """(C, N): M&E, another noise in every channel."""
        rng = np.random.default_rng(seed)
        smooth = np.ones(8) / 8
        return np.array([np.convolve(rng.standard_normal(self.samples), smooth, "same") * level for _ in range(channels)], np.float32)  # fmt: skip

    def write(self, name: str, audio: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
        return write(self.folder / name, audio, rate, subtype)


@pytest.fixture
def film(tmp_path: Path) -> SmallFilm:
    spans = [("ana", 1.0, 3.0), ("ben", 4.0, 6.0), ("ana", 7.0, 9.0)]
    turns = tuple(Turn(f"T{i}", Segment(a, b), who) for i, (who, a, b) in enumerate(spans))
    texts = ("Good morning, how are you today?", "I am very well, thank you.", "Then let us go to the old bridge.")
    lines = tuple(
        Line(f"L{i}", t.id, t.segment, t.speaker, "", translation=text) for i, (t, text) in enumerate(zip(turns, texts, strict=True))
    )  # fmt: skip
    return SmallFilm(tmp_path, turns, lines)


@dataclass(frozen=True)
class FilmA:
    media: Path
    turns: tuple[Turn, ...]
    lines: tuple[Line, ...]
    original: Path
    duration: float = 39.6

    def recorded(self, name: str = "") -> Path:
        return self.media / f"film_a.dub{'.' + name if name else ''}.flac"


@pytest.fixture(scope="session")
def film_a(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> FilmA:
    """film_a with its turns (RTTM), Spanish lines (SRT) and its own sound as 48 kHz FLAC."""
    import pysubs2

    from dubkit.media.audio import read_audio, write_audio

    media = shared / "media"
    fields = [row.split() for row in (media / "film_a.rttm").read_text().splitlines()]
    turns = tuple(
        Turn(f"T{i:02}", Segment(float(f[3]), round(float(f[3]) + float(f[4]), 3)), f[7]) for i, f in enumerate(fields)
    )
    subtitles = pysubs2.load(str(media / "film_a.es.srt"))
    lines = tuple(
        Line(f"L{i:02}", t.id, t.segment, t.speaker, "", translation=split_speaker(s.text)[1])
        for i, (t, s) in enumerate(zip(turns, subtitles, strict=True))
    )
    original = tmp_path_factory.mktemp("film_a") / "original.flac"
    write_audio(original, read_audio(media / "film_a.mp4", sample_rate=RATE), RATE)
    return FilmA(media, turns, lines, original)


def dub(
    film: SmallFilm | FilmA, source: DubSource, original: Path | None, folder: Path, voices=None, **settings
) -> Dub:
    made = make_dub(
        source, film.turns, film.lines, original, film.duration, folder, voices or {}, VoiceSettings(**settings)
    )
    json.dumps(made.report)  # plain values only
    return made


def untranslated(film: SmallFilm) -> SmallFilm:
    """Lines that no voice can speak: what has no recording stays silent."""
    return replace(film, lines=tuple(replace(line, translation=None) for line in film.lines))


def original_of(film: SmallFilm, channels: int = 2, rate: int = RATE) -> tuple[Path, Path, np.ndarray]:
    """(the film's sound, its M&E, the M&E's samples): dialogue in the centre, or in left and right."""
    effects = np.rint(film.effects(channels) * 32768) / 32768
    whole = effects.copy()
    whole[[2] if channels >= 5 else list(range(min(channels, 2)))] += film.dialogue(0)
    return film.write("original.wav", whole), film.write("me.wav", effects), effects.astype(np.float32)


def quiet(film: SmallFilm, made: Dub) -> np.ndarray:
    """Samples in which the dub's dialogue is digital silence."""
    return read(made.dialogue)[0] == 0


@pytest.fixture
def fake_voice(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Adds the engine "fake" and returns the list of what it was asked to say."""
    from dubkit.engines import Engine
    from dubkit.voice import base
    from tests.fakes import voices

    voices.SAID.clear()
    monkeypatch.setattr(base, "VOICES", {**base.VOICES, "fake": Engine("tests.fakes.voices:FakeVoice")})
    return voices.SAID
