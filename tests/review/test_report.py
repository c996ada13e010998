"""The report as a page."""

from dubkit.review import report as page


def a_report(**voice):
    return {
        "dubkit": "0", "voice": voice, "lines": [], "lips": [], "stages": [],
        "source": {"file": "film.mp4", "frames": 100, "warnings": []},
        "result": {"file": "film.es.mp4", "language": "es", "frames_altered": 10, "altered": [[0, 10]]},
    }  # fmt: skip


def test_the_dub_is_measured_and_what_did_not_match_is_listed(tmp_path):
    voice = {
        "coverage": {"covered": 0.825, "overlap": 0.8, "on_screen_covered": 0.931},
        "loudness": {"integrated_lufs": -23.04, "target_lufs": -23.0, "true_peak_dbtp": -1.2},
        "background": "the M&E given", "problems": ["the stem of ana is clipped: dubkit uses it as it is"],
        "subtitles": ["cue 7 <i>: nobody was heard speaking there"], "lines": [
            {"line": "L1", "speaker": "ana", "start": 1.0, "slot": 2.0, "natural": 2.4, "final": 2.2, "stretch": 0.9167,
             "gain_db": -3.5, "source": "tts:espeak/es", "notes": ["hurried"]},
            {"line": "L2", "speaker": "ana", "start": 4.0, "slot": 2.0, "source": None, "notes": ["no dub for this line"]}],
    }  # fmt: skip
    html = page.write_report(tmp_path / "report.html", a_report(**voice)).read_text("utf-8")
    for said in ("82%", "93% where the speaker is seen", "-23.04 LUFS (target -23.0)", "-1.2 dBTP", "M&amp;E given",
                 "is clipped", "cue 7 &lt;i&gt;", "0.9167", "tts:espeak/es", "hurried", "no dub for this line"):  # fmt: skip
        assert said in html, said


def test_characters_without_a_voice_of_their_own_are_listed(tmp_path):
    cast = {"<ana>": {"voice": "espeak/+f2", "pitch_hz": 201, "note": "another character has the same voice"}}
    html = page.write_report(tmp_path / "report.html", a_report(cast=cast)).read_text("utf-8")
    assert "Default voices" in html and "espeak/+f2" in html and "201" in html and "the same voice" in html
    assert "&lt;ana&gt;" in html and "<ana>" not in html


def test_no_list_where_every_character_has_a_voice(tmp_path):
    assert "Default voices" not in page.write_report(tmp_path / "report.html", a_report()).read_text("utf-8")
