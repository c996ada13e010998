"""Speak a translated subtitle file with one voice a character: python examples/speak_subtitles.py film.es.srt es out/

Lines are written as NAME: text. Voices are named engine/voice, see dubkit.voice.base.VOICES.
"""

import sys
from pathlib import Path

import pysubs2
import soundfile

from dubkit.voice.base import open_voice

VOICES = ["kokoro-wheels/jf_alpha", "kokoro-wheels/jm_kumo", "kokoro-wheels/jf_gongitsune*0.6+jm_kumo*0.4"]


def main(subtitles: Path, language: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    speakers: dict[str, object] = {}
    for number, cue in enumerate(pysubs2.load(str(subtitles)), 1):
        name, colon, text = cue.plaintext.partition(":")
        name, text = (name.strip(), text.strip()) if colon else ("", cue.plaintext)
        voice = speakers.setdefault(name, open_voice(VOICES[len(speakers) % len(VOICES)], language))
        sound, rate = voice.speak(text, language)
        soundfile.write(folder / f"{number:03}.{name or 'voice'}.flac", sound, rate)
        print(f"{number:3} {name:10} {len(sound) / rate:5.2f} s of {cue.duration / 1000:5.2f} s  {text}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
