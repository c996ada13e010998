"""A catalogue of short films: windows of the demo film, and of film_a where it is given, small and in draft quality."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import soundfile

from dubkit.media.ffmpeg import ffmpeg_binary
from dubkit.process import run

WINDOWS = {"alone": (0.4, 2.6), "answer": (5.4, 3.2), "two": (11.4, 3.0), "away": (16.2, 2.6), "last": (19.6, 2.8)}
FILM_A = (11.0, 3.0)
HEAD = """schema = "dubkit.catalogue/1"
language = "en"
preset = "draft"
output = "dubbed/{title}.{language}"
"""


def make_catalogue(folder: Path, demo: Path, film_a: Path | None = None, titles: int = 6, languages: int = 2,
                   listen: Collection[str] = ()) -> Path:  # fmt: skip
    """Writes films, sound and ``catalogue.toml``; ``demo`` is the folder of ``make_demo``, ``film_a`` that of the shared
    media. Each title has Spanish as one track and Portuguese as a track for each speaker (the same voices). Titles that are
    not in ``listen`` are told who speaks when: they are not diarized or transcribed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = HEAD
    for name in list(WINDOWS)[: titles - bool(film_a)]:
        stems = {role: demo / f"demo.es.{role.lower()}.flac" for role in ("IRIS", "RUTH")}
        text += add_title(folder, name, demo / "demo.mp4", demo / "demo.es.flac", stems, *WINDOWS[name], languages)
        text += "" if name in listen else given_speech(folder, name, demo / "demo.rttm", *WINDOWS[name])
    if film_a:
        stems = {role: film_a / f"film_a.dub.{role.lower()}.flac" for role in ("MARC", "NORA", "GLEN")}
        text += add_title(
            folder, "film a", film_a / "film_a.mp4", film_a / "film_a.dub.flac", stems, *FILM_A, languages
        )
        text += "" if "film a" in listen else given_speech(folder, "film a", film_a / "film_a.rttm", *FILM_A)
    path = folder / "catalogue.toml"
    path.write_text(text)
    return path


def add_title(
    folder: Path,
    name: str,
    film: Path,
    dialogue: Path,
    stems: dict[str, Path],
    start: float,
    seconds: float,
    languages: int = 2,
) -> str:
    """Cuts one film with its sound out of a longer one; the title's lines of the catalogue."""
    small = folder / f"{name}.mp4"
    run([ffmpeg_binary(), "-nostdin", "-v", "error", "-y", "-ss", str(start), "-i", film, "-t", str(seconds), "-vf",
         "scale=-2:360", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-c:a", "aac", "-map_metadata", "-1",
         "-fflags", "+bitexact", small])  # fmt: skip
    cut_sound(dialogue, folder / f"{name}.es.flac", start, seconds)
    speaking = [role for role, path in stems.items() if cut_sound(path, folder / f"{name}.{role}.flac", start, seconds)]
    tracks = ", ".join(f'{role} = "{name}.{role}.flac"' for role in speaking)
    text = f'\n[[title]]\ntitle = "{name}"\nfilm = "{small.name}"\ntarget.es.dialogue = "{name}.es.flac"\n'
    return text + (f"target.pt.stems = {{ {tracks} }}\n" if languages > 1 else "")


def cut_sound(source: Path, target: Path, start: float, seconds: float) -> bool:
    """Cuts a window out of a sound file; whether anything is heard in it."""
    with soundfile.SoundFile(source) as file:
        file.seek(min(round(start * file.samplerate), file.frames))
        samples = file.read(round(seconds * file.samplerate))
        soundfile.write(target, samples, file.samplerate, subtype="PCM_24", format="FLAC")
        return bool(abs(samples).max(initial=0.0) > 0.01)


def given_speech(folder: Path, name: str, rttm: Path, start: float, seconds: float) -> str:
    """Writes who speaks in a window of a film; the title's lines of the catalogue that use it instead of speech engines."""
    rows = []
    for line in rttm.read_text().splitlines():
        _, _, _, begins, lasts, *_, speaker, _, _ = line.split()
        first, last = max(float(begins) - start, 0.0), min(float(begins) + float(lasts) - start, seconds)
        if last - first > 0.2:
            rows.append(
                f"SPEAKER {name.replace(' ', '_')} 1 {first:.3f} {last - first:.3f} <NA> <NA> {speaker} <NA> <NA>\n"
            )
    (folder / f"{name}.rttm").write_text("".join(rows))
    return f'settings.speech.diarization = "{name}.rttm"\nsettings.speech.transcriber = "none"\n'
