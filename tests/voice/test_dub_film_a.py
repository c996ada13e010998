"""The shared film, dubbed by eSpeak NG and from its recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dubkit.voice import loudness
from dubkit.voice.dub import Dub, DubSource
from tests.voice.conftest import RATE, FilmA, dub, read
from tests.voice.test_voices import needs_espeak


def check_film_a(film_a: FilmA, made: Dub) -> None:
    assert made.report["loudness"]["within_half_lu"]
    programme, peak = loudness.measure(made.mix)
    assert programme == pytest.approx(made.report["loudness"]["target_lufs"], abs=0.5) and peak <= -1.0
    assert len(made.report["lines"]) == 12 == len(made.lines)
    by_turn = {turn.id: turn for turn in film_a.turns}
    for line in made.lines:
        turn = by_turn[line.turn_id]
        assert line.speaker == turn.speaker and abs(line.segment.start - turn.segment.start) < 0.1
    assert {len(read(path)[0]) for path in (*made.stems.values(), made.dialogue, made.mix)} == {round(39.6 * RATE)}


@needs_espeak
def test_film_a_spoken_by_espeak(film_a: FilmA, tmp_path: Path) -> None:
    made = dub(film_a, DubSource("es"), film_a.original, tmp_path, {"glen": "espeak/+m3", "nora": "espeak/+f2"})
    check_film_a(film_a, made)
    assert made.report["coverage"]["covered"] > 0.75
    assert all(0.9 <= 1 / row["stretch"] <= 1.3 for row in made.report["lines"])


@pytest.mark.parametrize("kind", ["stems", "track"])
def test_film_a_from_recordings(film_a: FilmA, tmp_path: Path, kind: str) -> None:
    names = ("marc", "glen", "nora")
    source = {
        "stems": DubSource("es", stems={name: film_a.recorded(name) for name in names}),
        "track": DubSource("es", dialogue=film_a.recorded()),
    }[kind]
    made = dub(film_a, source, film_a.original, tmp_path, level="keep")
    assert made.report["problems"] == []
    for name in names:  # the recorded stems are the truth for what the mixed track is taken apart into
        truth, found = read(film_a.recorded(name))[0], read(made.stems[name])[0]
        assert np.abs(truth - found).max() <= (0 if kind == "stems" else 2e-3)
    check_film_a(film_a, dub(film_a, source, film_a.original, tmp_path))
