"""The stages voice and lips of one language. Each gathers what its room needs and stores what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dubkit.digest import value_digest
from dubkit.project import artefacts, naming
from dubkit.timing import Timecode, seconds_at
from dubkit.types import DubLine, FrameRange, Line, LipJob, Media, Segment, Turn

if TYPE_CHECKING:
    from dubkit.lips.result import LipResult
    from dubkit.pieces import Pieces
    from dubkit.project.stages import Work

LIP_RATE = 16_000  # Hz
MOST_SAID = 12  # notes on the dub that are told while it is made; the report has them all


# -------------------------------------------------------------------------------------------------------------- voice


def make_voice(work: Work) -> list[Path]:
    """Lines, stems, dialogue and mix of the dub, in ``<project>.dubkit/<language>/voice``."""
    from dubkit.speech.subtitles import load_translation
    from dubkit.voice.dub import DubSource, make_dub

    target = work.project.project.target[work.language]
    resolve, media = work.project.resolve, work.media()
    stems = {name: resolve(path) for name, path in target.stems.items()}
    turns, lines, notes = list(work.turns()), list(work.lines()), {}
    found: dict[str, str] = {}
    if target.subtitles:
        translation = load_translation(resolve(target.subtitles), lines, work.settings.speech)
        lines, notes = list(translation.lines), {"subtitles": translation.notes}
        found |= translation.names
    decided = _lines_of_characters(work, turns)
    if stems:
        speaks = {name: _speech_of(path, name, work.pieces) for name, path in stems.items()}
        heard = naming.names_from_stems(turns, speaks)
        found |= heard
        decided = {turn: name for turn, name in decided.items() if turn not in heard}  # it sounds in that stem
    fixed = {speaker: member.name for member in work.project.project.cast for speaker in member.speakers}
    turns = naming.renamed(turns, found, fixed, decided)
    lines = naming.lines_renamed(lines, work.turns(), turns)
    voices = {m.name: m.voice_for(work.language) for m in work.project.project.cast if m.voice_for(work.language)}
    source = DubSource(
        language=work.language,
        dialogue=resolve(target.dialogue) if target.dialogue else None,
        stems=stems,
        line_files={key: resolve(path) for key, path in target.lines.items()},
        background=resolve(target.background) if target.background else None,
    )
    joined = _joined(lines)
    spans = {turn.id: turn.segment for turn in turns}
    dub = make_dub(
        source,
        [turn for turn in turns if turn.id not in joined],
        [line for line in lines if line.turn_id not in joined],
        work.original_audio(),
        float(media.video.num_frames / media.video.rate),
        work.folder,
        voices,
        work.settings.voice,
        work.progress,
        on_screen=_on_screen(work, spans),
        start_timecode=_start_timecode(media),
        kept=work.pieces,
    )
    told = [*dub.report["problems"], *notes.get("subtitles", ())]
    for note in told[:MOST_SAID]:
        work.say(note)
    if len(told) > MOST_SAID:
        work.say(f"{len(told) - MOST_SAID} more notes on the dub are in its report")
    names = {speaker: path.relative_to(work.folder).as_posix() for speaker, path in dub.stems.items()}
    paths = {"dialogue": dub.dialogue, "background": dub.background, "mix": dub.mix}
    files = {key: path.relative_to(work.folder).as_posix() for key, path in paths.items() if path}
    return [
        artefacts.write_json(work.folder / "turns.json", turns, tuple[Turn, ...]),
        artefacts.write_json(work.folder / "lines.json", lines, tuple[Line, ...]),
        artefacts.write_json(work.folder / "dub.json", dub.lines, tuple[DubLine, ...]),
        artefacts.write_json(work.folder / "stems.json", names, dict[str, str]),
        artefacts.write_json(work.folder / "files.json", files, dict[str, str]),
        artefacts.write_json(work.folder / "report.json", {**dub.report, **notes}, dict[str, Any]),
        *dub.stems.values(),
        *(path for path in paths.values() if path),
    ]


def _lines_of_characters(work: Work, turns: Sequence[Turn]) -> dict[str, str]:
    """Turn id → the character that speaks it, where a person has said so of the line."""
    from dubkit.cast.locks import names_turn

    locks = [lock for lock in work.project.locks() if lock.character and (lock.turn_id or lock.segment)]
    return {turn.id: lock.character for turn in turns for lock in locks if names_turn(lock, turn)}


def _joined(lines: Sequence[Line]) -> set[str]:
    """Turns that say nothing of their own in the dub: one line before them has the text of both, and their time."""
    silent = {line.turn_id for line in lines if line.translation == ""}
    return silent - {line.turn_id for line in lines if line.translation}


def _on_screen(work: Work, spans: Mapping[str, Segment]) -> list[Segment]:
    """Where the speaker of a turn is seen: what must not stand still."""
    rate = work.media().video.rate
    found = []
    for assignment in work.assignments():
        if assignment.state == "on-screen" and assignment.turn_id in spans:
            turn = spans[assignment.turn_id]
            start = max(turn.start, seconds_at(assignment.frames.start, rate))
            end = min(turn.end, seconds_at(assignment.frames.stop, rate))
            if end > start:
                found.append(Segment(start, end))
    return found


def _start_timecode(media: Media) -> Timecode | None:
    return Timecode.parse(media.timecode, media.video.rate) if media.timecode else None


def _speech_of(path: Path, name: str, kept: Pieces) -> list[Segment]:
    from dubkit.voice.activity import frame_levels, speech
    from dubkit.voice.tracks import file_samples, file_track

    track = file_track(path, file_samples(path), mono=True)
    return speech(kept(f"levels of {name}", lambda: frame_levels(track.walk())))


# --------------------------------------------------------------------------------------------------------------- lips


def make_lips(work: Work) -> list[Path]:
    """One NPZ a job in ``<project>.dubkit/<language>/lips``; jobs that are there already are kept."""
    paths = _paint(work, None)
    keep = {path.name for path in paths.values()}
    for other in work.folder.glob("*.npz"):
        if other.name not in keep:
            other.unlink()
            seconds_file(other).unlink(missing_ok=True)
    written = artefacts.write_json(work.folder / "jobs.json", tuple(paths), tuple[LipJob, ...])
    return [written, *paths.values()]


def make_some_lips(work: Work, frames: FrameRange) -> None:
    """The jobs that begin in ``frames``."""
    _paint(work, frames)


def _paint(work: Work, only: FrameRange | None) -> dict[LipJob, Path]:
    """Runs the jobs (that begin in ``only``) whose files are missing; every job of the film and its file."""
    from dubkit.lips.checkpoint import network_digests
    from dubkit.lips.engine import run_jobs
    from dubkit.lips.jobs import plan_jobs, speech_digest
    from dubkit.media.reader import FrameReader
    from dubkit.project.adapting import adapted_weights

    media, settings = work.media(), work.settings.lips
    tracks = {track.id: track for track in work.tracks()}
    voice = _voice_of(work)
    turns = artefacts.read_json(work.file("voice", "turns.json"), tuple[Turn, ...])
    lines = artefacts.read_json(work.file("voice", "dub.json"), tuple[DubLine, ...])
    jobs = plan_jobs(
        work.assignments(), lines, turns, work.shots(), tracks, media.video.rate,
        settings.model_copy(update={"adapt": "off"}),  # what it leads to is told by the weights
        voice=speech_digest(voice), constants={"film": media.digest, **network_digests(settings)},
    )  # fmt: skip
    adapted = adapted_weights(work)
    jobs = tuple(
        replace(job, id=value_digest({"job": job.id, "weights": adapted[job.track_id][1]}))
        if job.track_id in adapted
        else job
        for job in jobs
    )
    paths = {job: work.folder / f"{job.frames.start:07}-{job.id[:16]}.npz" for job in jobs}
    by_id = {job.id: path for job, path in paths.items()}
    missing = [job for job, path in paths.items() if not path.exists() and (only is None or job.frames.start in only)]
    by_weights: dict[str, list[LipJob]] = {}
    for job in missing:
        weights = str(adapted[job.track_id][0]) if job.track_id in adapted else settings.weights
        by_weights.setdefault(weights, []).append(job)
    total, done = sum(len(job.frames) for job in missing), 0
    work.progress(0, total)
    with FrameReader(media) as reader:
        for weights, some in by_weights.items():
            run_jobs(
                some, tracks, reader, voice, media.video.rate, settings.model_copy(update={"weights": weights}),
                lambda result: _keep(result, by_id[result.job_id]),
                lambda frames, _, before=done: work.progress(before + frames, total),
            )  # fmt: skip
            done += sum(len(job.frames) for job in some)
    return paths


def _keep(result: LipResult, path: Path) -> None:
    result.save(path)
    artefacts.write_json(seconds_file(path), round(result.seconds, 2), float)


def seconds_file(result: Path) -> Path:
    """How long a lip job took, beside its result: not in it, so that the same job is the same bytes."""
    return result.with_suffix(".seconds.json")


def _voice_of(work: Work) -> Callable[[str, Segment], np.ndarray]:
    """What a speaker says over a segment: float32 mono 16 kHz, zeros outside the film and for a silent speaker."""
    from dubkit.media.audio import read_audio

    folder = work.store.stage_folder("voice", work.language)
    stems = {k: folder / v for k, v in artefacts.read_json(folder / "stems.json", dict[str, str]).items()}

    @lru_cache(maxsize=64)
    def voice(speaker: str, segment: Segment) -> np.ndarray:
        count = round(segment.duration * LIP_RATE)
        samples = np.zeros(count, np.float32)
        if speaker in stems and segment.end > 0:
            lead = round(max(0.0, -segment.start) * LIP_RATE)
            start = max(0.0, segment.start)
            sound = read_audio(
                stems[speaker], sample_rate=LIP_RATE, channels=1, start=start, duration=segment.end - start
            )[0]
            sound = sound[: count - lead]
            samples[lead : lead + len(sound)] = sound
        return samples

    return voice
