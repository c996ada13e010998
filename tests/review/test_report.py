"""The report as a page."""

from dubkit.review import report as page


def a_report(**voice):
    return {
        "dubkit": "0", "voice": voice, "lines": [], "lips": [], "stages": [],
        "source": {"file": "film.mp4", "frames": 100, "warnings": []},
        "result": {"file": "film.es.mp4", "language": "es", "frames_altered": 10, "altered": [[0, 10]]},
    }  # fmt: skip


def test_characters_without_a_voice_of_their_own_are_listed(tmp_path):
    cast = {"<ana>": {"voice": "espeak/+f2", "pitch_hz": 201, "note": "another character has the same voice"}}
    html = page.write_report(tmp_path / "report.html", a_report(cast=cast)).read_text("utf-8")
    assert "Default voices" in html and "espeak/+f2" in html and "201" in html and "the same voice" in html
    assert "&lt;ana&gt;" in html and "<ana>" not in html


def test_no_list_where_every_character_has_a_voice(tmp_path):
    assert "Default voices" not in page.write_report(tmp_path / "report.html", a_report()).read_text("utf-8")
