"""Measures the dub of film_a and writes docs/voice.md's tables.

``python bench/voice.py [--write] [--minutes 5 20]`` prints Markdown (``--write``: into docs/voice.md, between its
markers): the lines, coverage and loudness of film_a spoken by eSpeak NG, from its recorded stems and from its finished
track, with the film's own sound ducked and with an M&E; ``--minutes``: peak memory for films of other lengths. ``--step HOURS`` dubs a film whose sound is at 44.1 kHz from a
stem at 96 kHz; it fails where a file is not exactly as long as the film, or a click in its last second is out of place.
``--separate ENGINE`` takes film_a's voices out of chords.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dubkit.media.audio import extract, read_audio, write_audio
from dubkit.media.probe import probe
from dubkit.settings import VoiceSettings
from dubkit.types import Line, Segment, Turn
from dubkit.voice import loudness
from dubkit.voice.dub import Dub, DubSource, make_dub
from dubkit.voice.text import split_speaker
from dubkit.voice.tracks import RATE

DURATION = 39.6
VOICES = {"glen": "espeak/es+m3", "nora": "espeak/es+f2", "marc": "espeak/es"}


def film_a(media: Path) -> tuple[list[Turn], list[Line]]:
    import pysubs2

    rows = [row.split() for row in (media / "film_a.rttm").read_text().splitlines()]
    turns = [Turn(f"T{i:02}", Segment(float(r[3]), float(r[3]) + float(r[4])), r[7]) for i, r in enumerate(rows)]
    texts = [split_speaker(event.text)[1] for event in pysubs2.load(str(media / "film_a.es.srt"))]
    lines = [
        Line(f"L{i:02}", t.id, t.segment, t.speaker, "", translation=text)
        for i, (t, text) in enumerate(zip(turns, texts, strict=True))
    ]
    return turns, lines


def line_table(made: Dub) -> None:
    print("| line | speaker | start | slot | natural | final | stretch | covered | gain dB | note |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in made.report["lines"]:
        cells = [row["line"], row["speaker"], row["start"], row["slot"]]
        cells += [row.get(k, "") for k in ("natural", "final", "stretch", "covered", "gain_db")]
        print("| " + " | ".join(map(str, [*cells, "; ".join(row["notes"])])) + " |")
    print()


def pauses(dialogue: np.ndarray) -> np.ndarray:
    """(N,) bool: digital silence that lasts 20 ms or longer (a zero inside a word is no pause)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (dialogue == 0).astype(np.int8), [0]]))).reshape(-1, 2)
    silent = np.zeros(len(dialogue), bool)
    for start, stop in edges[edges[:, 1] - edges[:, 0] >= RATE // 50]:
        silent[start:stop] = True
    return silent


def summary(name: str, made: Dub, me: np.ndarray | None) -> str:
    report, coverage = made.report["loudness"], made.report["coverage"]
    programme, peak = loudness.measure(made.mix)
    changed = "–"
    if me is not None:
        silent = pauses(read_audio(made.dialogue, sample_rate=RATE)[0])
        gain = 10 ** (report["programme_gain_db"] / 20)
        mixed = read_audio(made.mix, sample_rate=RATE)
        beside = me if gain == 1 else read_audio(made.background, sample_rate=RATE)
        changed = f"{int((mixed != beside)[:, silent].any(axis=0).sum())} of {int(silent.sum())}"
    return (
        f"| {name} | {coverage['covered']:.1%} | {coverage['overlap']:.1%} | {coverage['uncovered_s']} | "
        f"{report['target_lufs']} | {programme:.2f} | {peak:.2f} | {changed} |"
    )


def measure_film_a(shared: Path) -> None:
    media = shared / "media"
    turns, lines = film_a(media)
    stems = {name: media / f"film_a.dub.{name}.flac" for name in ("marc", "glen", "nora")}
    sources = {
        "eSpeak NG Spanish": DubSource("es"),
        "recorded stems": DubSource("es", stems=stems),
        "finished track": DubSource("es", dialogue=media / "film_a.dub.flac"),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        original = read_audio(media / "film_a.mp4", sample_rate=RATE, duration=DURATION)
        write_audio(folder / "original.flac", original, RATE)
        # film_a has no M&E of its own: soft noise in 5.1 stands in, with the original in its centre.
        effects = np.random.default_rng(0).standard_normal((6, original.shape[1])).astype(np.float32) * 0.004
        write_audio(folder / "me.flac", effects, RATE)
        effects = read_audio(folder / "me.flac", sample_rate=RATE)
        surround = effects.copy()
        surround[2] += original.mean(axis=0)
        write_audio(folder / "surround.flac", surround, RATE)
        rows = []
        for title, source in sources.items():
            variants = [("", "original.flac", None, None), (", M&E 5.1", "surround.flac", folder / "me.flac", None)]
            variants += [(", M&E 5.1, ebu-r128", "surround.flac", folder / "me.flac", "ebu-r128")]
            for suffix, sound, background, target in variants:
                source_here = DubSource("es", source.dialogue, source.stems, {}, background)
                settings = VoiceSettings(loudness=target)
                made = make_dub(source_here, turns, lines, folder / sound, DURATION, folder / "dub", VOICES, settings)
                rows.append(summary(title + suffix, made, effects if background else None))
                if not suffix:
                    print(f"### {title}\n")
                    line_table(made)
        print("### The film\n")
        print(
            "| source | covered | overlap | uncovered s | target LUFS | measured LUFS | true peak dBTP | M&E samples changed in pauses |"
        )
        print("|---|---|---|---|---|---|---|---|")
        print("\n".join(rows) + "\n")


def measure_memory(minutes: float) -> None:
    """Peak memory of one process that dubs a stereo film of ``minutes`` from one stem."""
    import resource

    import soundfile

    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(0)
        spans = [Segment(i * 10 + 2.0, i * 10 + 6.0) for i in range(int(minutes * 6))]
        for file_name, channels, level in (("original.flac", 2, 0.1), ("stem.flac", 1, 0.15)):
            with soundfile.SoundFile(folder / file_name, "w", RATE, channels, "PCM_16") as file:
                for _ in spans:
                    block = rng.standard_normal((10 * RATE, channels)).astype(np.float32)
                    block[: 2 * RATE] *= 0.001
                    block[6 * RATE :] *= 0.001
                    file.write(block * level)
        turns = [Turn(f"T{i}", span, "ana") for i, span in enumerate(spans)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        source = DubSource("es", stems={"ana": folder / "stem.flac"})
        make_dub(source, turns, (), folder / "original.flac", minutes * 60, folder / "dub", {}, VoiceSettings())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"| {minutes:g} | {before / 1024:.0f} | {peak / 1024:.0f} | {time.perf_counter() - start:.0f} |")


def measure_separation(engine: str, shared: Path) -> None:
    """film_a's sound over plucked chords in stereo: how much softer voices and chords come out."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from dubkit.voice.separate import separated
    from tests.voice.test_separate import left, strings

    voice = read_audio(shared / "media" / "film_a.mp4", sample_rate=RATE, channels=1, duration=24)[0]
    chords = np.array([strings(24, 1), strings(24, 2)])
    voice *= np.sqrt((chords**2).mean() / (voice**2).mean())
    with tempfile.TemporaryDirectory() as name:
        mix = Path(name, "mix.flac")
        write_audio(mix, chords + voice, RATE)
        start = time.process_time()
        path, said = separated(mix, [0, 1], Path(name, "me.flac"), engine)
        seconds = (time.process_time() - start) / 24
        kept = read_audio(path, sample_rate=RATE)
    voices, music = left(voice, kept.mean(axis=0)), left(chords.ravel(), kept.ravel())
    print(f"{said}: voices {voices:.1f} dB, chords {music:.1f} dB, {seconds:.2f} CPU s a second")


def check_step(hours: float) -> None:
    """One line at the beginning, and one that ends in a click 0.3 s before the end of a film of ``hours``."""
    import resource

    import soundfile

    length = round(hours * 3600)
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(0)
        for file_name, rate, channels in (("original.flac", 44_100, 2), ("stem.flac", 96_000, 1)):
            with soundfile.SoundFile(folder / file_name, "w", rate, channels, "PCM_16") as file:
                for second in range(0, length, 10):
                    block = rng.standard_normal((10 * rate, channels)) * (0.0003 if channels == 2 else 0)
                    if second in (0, length - 10):
                        block[4 * rate : 8 * rate] += 0.05 * rng.standard_normal((4 * rate, channels))
                    if second == length - 10:
                        block[round(9.7 * rate)] = 0.7
                    file.write(block.astype(np.float32))
        spans = [Segment(4.0, 8.0), Segment(length - 6.0, length - 0.2)]
        turns = [Turn(f"T{i}", span, "ana") for i, span in enumerate(spans)]
        start = time.process_time()
        source = DubSource("es", stems={"ana": folder / "stem.flac"})
        settings = VoiceSettings(level="keep", duck_db=0.0)
        sound = folder / "ingested.flac"
        extract(probe(folder / "original.flac"), sound, sample_rate=RATE)  # as the pipeline takes it out of a film
        made = make_dub(source, turns, (), sound, length, folder / "dub", {}, settings)
        print("| file | samples | expected | last click, samples from its place |\n|---|---|---|---|")
        wrong = []
        for path in (sound, made.stems["ana"], made.dialogue, made.background, made.mix):
            samples = soundfile.info(path).frames
            with soundfile.SoundFile(path) as file:
                file.seek(samples - RATE)
                off = int(np.abs(file.read(dtype="float32", always_2d=True)[:, 0]).argmax()) - round(0.7 * RATE)
            print(f"| {path.name} | {samples} | {length * RATE} | {off} |")
            wrong += [path.name] if samples != length * RATE or abs(off) > 1 else []
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"\n{hours:g} h; {time.process_time() - start:.0f} CPU s, peak {peak:.0f} MB")
    if wrong:
        sys.exit(f"out of step: {', '.join(wrong)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--minutes", type=float, nargs="*", default=[])
    parser.add_argument("--step", type=float)
    parser.add_argument("--separate")
    parser.add_argument("--memory", type=float)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.separate:
        measure_separation(options.separate, options.shared)
        sys.exit()
    if options.step:
        check_step(options.step)
        sys.exit()
    if options.memory:
        measure_memory(options.memory)
        sys.exit()
    if not options.minutes:
        with contextlib.redirect_stdout(io.StringIO()) as text:
            measure_film_a(options.shared)
        print(text.getvalue())
        if options.write:
            page = Path(__file__).resolve().parents[1] / "docs" / "voice.md"
            head, _, rest = page.read_text(encoding="utf-8").partition("<!-- bench/voice.py -->\n")
            _, _, tail = rest.partition("<!-- end -->")
            page.write_text(f"{head}<!-- bench/voice.py -->\n{text.getvalue()}<!-- end -->{tail}", encoding="utf-8")
    else:
        print("| film, minutes | MB before | peak MB | seconds |\n|---|---|---|---|", flush=True)
        for each in options.minutes:
            subprocess.run([sys.executable, __file__, "--memory", str(each)], check=True)
