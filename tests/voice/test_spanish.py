"""Spanish spelling to IPA. Expected values: RAE's rules, compared by hand with eSpeak NG's es-419 transcriptions."""

from __future__ import annotations

import pytest

from dubkit.voice.spanish import phonemes, word


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("cielo", "θjˈelo"),
        ("cohete", "koˈete"),
        ("guerra", "ɡˈera"),
        ("pingüino", "pinɡwˈino"),
        ("agua", "ˈaɣwa"),
        ("quiero", "kjˈeɾo"),
        ("jirafa", "xiɾˈafa"),
        ("gente", "xˈente"),
        ("noche", "nˈoʧe"),
        ("llave", "ʝˈaβe"),
        ("año", "ˈaɲo"),
        ("país", "paˈis"),
        ("oído", "oˈiðo"),
        ("ciudad", "θjuðˈað"),
        ("hoy", "ˈoj"),
        ("rey", "rˈej"),
        ("excelente", "eksθelˈente"),
        ("examen", "eksˈamen"),
        ("alrededor", "alreðeðˈoɾ"),
        ("cantaron", "kantˈaɾon"),
        ("cantó", "kantˈo"),
        ("el", "el"),
        ("él", "ˈel"),
        ("y", "i"),
    ],
)
def test_words(written, spoken):
    assert word(written) == spoken


def test_a_sentence_keeps_its_punctuation_and_american_spanish_has_no_theta():
    assert phonemes("¿Solo cinco, capitán?") == "sˈolo sˈinko, kapitˈan?"
    assert phonemes("¡Cinco!", latin_america=False) == "θˈinko!"


def test_nothing_to_say():
    assert phonemes("¿? — 12") == "?"
