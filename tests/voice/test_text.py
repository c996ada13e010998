import pytest

from dubkit.voice.text import speakable, split_speaker


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<i>Vámonos</i> ya.", "Vámonos ya."),
        ("{\\an8}Arriba", "Arriba"),
        ("Hola 👋🏽 amigo 👨‍👩‍👧 ❤️", "Hola amigo"),
        ("Uno\\Ndos\ntres", "Uno dos tres"),
        ("[puerta] ¿Quién es?", "¿Quién es?"),
        ("♪ la la la ♪", "la la la"),
        ("- No.", "No."),
        ("Son 1.250,50 € a las 7:30", "Son 1.250,50 € a las 7:30"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("\u202bמה שלומך?\u202c", "מה שלומך?"),
        ("\u200fمرحبا بكم\u200f", "مرحبا بكم"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("5 < 7 y 9 > 3", "5 < 7 y 9 > 3"),
        ("こんにちは。", "こんにちは。"),
        ("😀🎬", ""),
        ("[risas]", ""),
        ("...", ""),
        ("", ""),
        ("e\u0301l", "él"),
    ],
)
def test_only_what_is_to_be_said_is_left(written: str, said: str) -> None:
    assert speakable(written) == said


@pytest.mark.parametrize(
    ("subtitle", "speaker", "text"),
    [
        ("Nora: Sí.", "Nora", "Sí."),
        ("<b>Nora</b>: Sí.", "Nora", "Sí."),
        ("O'Brien Jr.: No", "O'Brien Jr.", "No"),
        ("A las 7:30 en punto", None, "A las 7:30 en punto"),
        ("12: doce", None, "12: doce"),
        ("Sí.", None, "Sí."),
    ],
)
def test_a_name_before_a_colon_is_the_speaker(subtitle: str, speaker: str | None, text: str) -> None:
    assert split_speaker(subtitle) == (speaker, text)
