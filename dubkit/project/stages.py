"""The stages of a dub, in the order of the workflow: what each needs, reads and writes.

A stage is a function from ``Work`` to the list of its output files. It calls one room of dubkit and stores what comes
back; the thinking is in the rooms. To change what a stage writes for the same input, raise its ``version``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from dubkit.errors import InputError, MediaError
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.progress import Progress
from dubkit.project import artefacts, engines_used, reads
from dubkit.project.events import Event, Listener
from dubkit.project.schema import ProjectFile
from dubkit.project.store import Store
from dubkit.settings import Settings
from dubkit.types import Assignment, Character, FaceTrack, FrameRange, Line, Media, Shot, SpeakingScore, Turn

ANALYSIS_RATE = 16_000  # Hz, mono: what every speech and lip model listens to
FILM_RATE = 48_000  # Hz: the sound of film and television


@dataclass(frozen=True)
class Work:
    """What a stage is given: the project, the settings, a folder of its own, and the artefacts of earlier stages."""

    project: ProjectFile
    settings: Settings
    language: str | None
    store: Store
    folder: Path
    stage: str
    listener: Listener
    pieces: Pieces = NOTHING_KEPT  # what a killed run of this stage had made already

    def progress(self, done: float, total: float) -> None:
        self.listener(Event("progress", self.stage, self.language, done, total))

    def say(self, text: str) -> None:
        self.listener(Event("message", self.stage, self.language, text=text))

    def part(self, share_from: float, share_to: float) -> Progress:
        """A progress callback for one part of the stage."""

        def report(done: float, total: float) -> None:
            self.progress(share_from + (share_to - share_from) * (done / total if total else 1.0), 1.0)

        return report

    def file(self, stage: str, name: str) -> Path:
        """An artefact of an earlier stage, of this language or of the source side."""
        return self.store.stage_folder(stage, self.language if STAGE[stage].per_language else None) / name

    # ------------------------------------------------------------------------------------------ artefacts as nouns

    def media(self) -> Media:
        """The film as probed, at the place where the project has it today."""
        return replace(artefacts.read_json(self.file("ingest", "media.json"), Media), path=self.project.film)

    def analysis_audio(self) -> Path | None:
        path = self.file("ingest", "analysis.flac")
        return path if path.exists() else None

    def original_audio(self) -> Path | None:
        path = self.file("ingest", "original.flac")
        return path if path.exists() else None

    def shots(self) -> tuple[Shot, ...]:
        return artefacts.read_json(self.file("shots", "shots.json"), tuple[Shot, ...])

    def turns(self) -> tuple[Turn, ...]:
        return artefacts.read_json(self.file("diarize", "turns.json"), tuple[Turn, ...])

    def lines(self) -> tuple[Line, ...]:
        return artefacts.read_json(self.file("transcribe", "lines.json"), tuple[Line, ...])

    def tracks(self) -> tuple[FaceTrack, ...]:
        return artefacts.read_tracks(self.file("faces", "tracks.npz"))

    def scores(self) -> tuple[SpeakingScore, ...]:
        return artefacts.read_scores(self.file("match", "speaking.npz"))

    def characters(self) -> tuple[Character, ...]:
        return artefacts.read_json(self.file("match", "characters.json"), tuple[Character, ...])

    def assignments(self) -> tuple[Assignment, ...]:
        return artefacts.read_json(self.file("match", "assignments.json"), tuple[Assignment, ...])


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Stage:
    """One step of the workflow."""

    name: str
    about: str
    run: Callable[[Work], list[Path]]
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()  # settings: "section" or "section.key"
    version: str = "1"
    per_language: bool = False
    part: Callable[[Work, FrameRange], None] | None = None  # does what begins in these frames, for ``run`` to find done
    files: Callable[[ProjectFile, Settings, str | None], dict[str, Path]] = _nothing  # files of the project it reads
    values: Callable[[ProjectFile, str | None], dict[str, Any]] = _nothing  # parts of the project file it reads
    weights: Callable[[Settings], dict[str, str]] = _nothing


# ---------------------------------------------------------------------------------------------------------- source side


def ingest(work: Work) -> list[Path]:
    from dubkit.media import audio, probe

    media = probe.probe(work.project.film, work.settings.media)
    if media.video is None:
        raise MediaError(
            f"{media.path.name} has no picture; dubkit needs a film (for sound alone, any dubbing mixer will do)"
        )
    for warning in media.warnings:
        work.say(warning)
    as_written = replace(media, path=Path(work.project.project.source.film))  # a project folder can be moved
    written = [artefacts.write_json(work.folder / "media.json", as_written, Media)]
    if media.audio:
        stream = work.settings.media.audio_stream
        written += [work.folder / "analysis.flac", work.folder / "original.flac"]
        for path, rate, channels in ((written[1], ANALYSIS_RATE, 1), (written[2], FILM_RATE, None)):
            if path.name not in work.pieces or not path.is_file():
                audio.extract(media, path, sample_rate=rate, channels=channels, stream=stream)
                work.pieces.keep(path.name, True)
    else:
        work.say(
            "the film has no sound: nobody can be diarized; turns must come from settings.speech.diarization, "
            "and their faces from the motion of lips alone"
        )
    return written


def shots(work: Work) -> list[Path]:
    from dubkit.faces.shots import find_shots
    from dubkit.media.reader import FrameReader

    with FrameReader(work.media()) as reader:
        found = find_shots(reader, work.settings.faces, work.progress, work.pieces)
    return [artefacts.write_json(work.folder / "shots.json", found, tuple[Shot, ...])]


def diarize(work: Work) -> list[Path]:
    from dubkit.speech import base, rttm, voices
    from dubkit.speech import turns as turn_tools

    turns, vectors = work.folder / "turns.json", work.folder / "embeddings.npz"
    old = artefacts.read_json(turns, tuple[Turn, ...]) if turns.exists() else ()
    known = artefacts.read_arrays(vectors) if vectors.exists() else {}
    elsewhere: dict[str, Any] = {}
    for setting, path in reads.known_voices(work.project, work.settings).items():
        if not path.is_file():
            raise InputError(
                f"{setting}: no voices at {path}; first give that film:  dubkit dub PROJECT --until diarize"
            )
        elsewhere = artefacts.read_arrays(path) | elsewhere
    settings = reads.resolved(work.project, work.settings).speech
    found = base.diarize(work.analysis_audio(), settings, work.progress, work.pieces)
    if settings.diarization:  # the names in a person's file stay what they are
        found = replace(found, turns=turn_tools.keep_ids(old, found.turns))
    else:
        found = voices.continued(found, old, known, elsewhere)
    return [
        artefacts.write_json(turns, found.turns, tuple[Turn, ...]),
        artefacts.write_json(work.folder / "exclusive.json", found.exclusive, tuple[Turn, ...]),
        artefacts.write_arrays(vectors, dict(found.embeddings)),
        rttm.save(work.folder / "turns.rttm", found.turns, work.project.film.stem),
    ]


def transcribe(work: Work) -> list[Path]:
    from dubkit.speech import base, subtitles

    lines = base.transcribe(
        work.analysis_audio(), work.turns(), reads.resolved(work.project, work.settings).speech,
        work.project.project.source.language, work.progress,
        artefacts.read_json(work.file("diarize", "exclusive.json"), tuple[Turn, ...]), work.pieces,
    )  # fmt: skip
    for note in subtitles.unreadable(lines, work.settings.speech, "transcript.srt"):
        work.say(note)
    return [
        artefacts.write_json(work.folder / "lines.json", lines, tuple[Line, ...]),
        subtitles.save(work.folder / "transcript.srt", lines, work.settings.speech),
        subtitles.save_sheet(work.folder / "sheet.csv", lines),
    ]


def faces(work: Work) -> list[Path]:
    from dubkit.project.following import all_tracks

    tracks = all_tracks(work)
    bare = sum(track.landmarks is None for track in tracks)
    if bare:
        work.say(
            f"{bare} of {len(tracks)} faces have no landmarks ({work.settings.faces.detector} gives none): a turned head is "
            f"not noticed, and such faces are altered or not as lips.without_landmarks says "
            f'(now "{work.settings.lips.without_landmarks}"); faces.landmarks = "fan" or faces.detector = "centerface" gives them'
        )
    return [artefacts.write_tracks(work.folder / "tracks.npz", tracks)]


def match(work: Work) -> list[Path]:
    from dubkit.cast.base import score_speaking
    from dubkit.cast.match import match as match_film
    from dubkit.media.reader import FrameReader
    from dubkit.review.cast_sheet import write_cast_sheet

    media, turns, tracks, all_shots = work.media(), work.turns(), work.tracks(), work.shots()
    with FrameReader(media) as reader:
        scores = score_speaking(
            reader, tracks, turns, work.analysis_audio(), work.settings.cast, work.part(0, 0.9), work.pieces
        )
    locks = work.project.locks()
    embeddings = artefacts.read_arrays(work.file("diarize", "embeddings.npz"))
    result = match_film(turns, all_shots, tracks, scores, media.video.rate, work.settings.cast, locks, embeddings)
    written = [
        artefacts.write_scores(work.folder / "speaking.npz", scores),
        artefacts.write_json(work.folder / "characters.json", result.characters, tuple[Character, ...]),
        artefacts.write_json(work.folder / "assignments.json", result.assignments, tuple[Assignment, ...]),
    ]
    with FrameReader(media) as reader:
        written += write_cast_sheet(work.folder, reader, turns, work.lines(), tracks, result, work.pieces)
    return written


def adapt(work: Work) -> list[Path]:
    from dubkit.project.adapting import make_adapted

    return make_adapted(work)


def _adapting_weights(settings: Settings) -> dict[str, str]:
    from dubkit.project.adapting import read_weights

    return read_weights(settings.lips)


# --------------------------------------------------------------------------------------------------- for each language


def voice(work: Work) -> list[Path]:
    from dubkit.project.dubbing import make_voice

    return make_voice(work)


def lips(work: Work) -> list[Path]:
    from dubkit.project.dubbing import make_lips

    return make_lips(work)


def render(work: Work) -> list[Path]:
    from dubkit.project.rendering import make_film

    return make_film(work)


def report(work: Work) -> list[Path]:
    from dubkit.project.reporting import make_report

    return make_report(work)


def _later(module: str, function: str) -> Callable[[Work, FrameRange], Any]:
    return lambda work, frames: getattr(import_module(f"dubkit.project.{module}"), function)(work, frames)


# A setting of the speech section that is not named here makes both of its stages stale when it changes.
_ONLY_DIARIZE = (
    "diarizer", "diarizer_model", "known_voices", "diarization", "diarization_id", "num_speakers", "min_speakers", "max_speakers",
    "segmentation_step", "speaker_distance", "merge_gap", "min_turn",
)  # fmt: skip
_READING = ("line_length", "max_lines", "reading_speed")
_ONLY_TRANSCRIBE = ("transcriber", "transcript", "whisper_model", "align", "vad", "batch_size", *_READING)

STAGES: tuple[Stage, ...] = (
    Stage("ingest", "read the film", ingest, reads=("media",), version="2", files=reads.film),
    Stage("shots", "find the cuts", shots, ("ingest",), ("faces.shots",), files=reads.replacement("faces", "shots")),
    Stage(
        "diarize",
        "who speaks when",
        diarize,
        ("ingest",),
        ("speech", "-speech.device", *(f"-speech.{key}" for key in _ONLY_TRANSCRIBE)),
        version="2",
        files=reads.diarization_files,
    ),
    Stage(
        "transcribe",
        "what they say",
        transcribe,
        ("ingest", "diarize"),
        ("speech", "-speech.device", *(f"-speech.{key}" for key in _ONLY_DIARIZE)),
        version="2",
        files=reads.replacement("speech", "transcript"),
        values=reads.source_language,
    ),
    Stage(
        "faces",
        "follow the faces",
        faces,
        ("ingest", "shots"),
        ("faces", "-faces.shots"),
        version="2",
        part=_later("following", "follow_shots"),
        weights=engines_used.face_engines,
    ),
    Stage(
        "match",
        "whose voice is whose face",
        match,
        ("ingest", "shots", "diarize", "transcribe", "faces"),
        ("cast",),
        version="5",
        values=reads.decisions,
        weights=engines_used.speaking_weights,
    ),
    Stage(
        "adapt",
        "learn the actors' mouths",
        adapt,
        ("ingest", "diarize", "faces", "match"),
        ("lips.adapt", "lips.weights", "lips.max_yaw", "lips.min_face_px"),
        version="2",
        weights=_adapting_weights,
    ),
    Stage(
        "voice",
        "the dub: lines, timing, mix",
        voice,
        ("ingest", "diarize", "transcribe", "match"),
        ("voice", *(f"speech.{key}" for key in _READING)),
        version="3",
        per_language=True,
        files=reads.target_files,
        values=reads.voices,
    ),
    Stage(
        "lips",
        "move the mouths",
        lips,
        ("ingest", "shots", "diarize", "faces", "match", "adapt", "voice"),
        ("lips", "-lips.batch_size", "-lips.adapt"),
        per_language=True,
        part=_later("dubbing", "make_some_lips"),
        values=reads.lip_code,
        weights=reads.lip_weights,
    ),
    Stage(
        "render",
        "encode what changed",
        render,
        ("ingest", "shots", "voice", "lips"),
        ("render",),
        version="4",
        per_language=True,
        part=_later("rendering", "make_some_pieces"),
        files=reads.spoken_subtitles,
        values=reads.output,
    ),
    Stage(
        "report",
        "say what was done",
        report,
        ("ingest", "diarize", "transcribe", "match", "voice", "lips", "render"),
        version="3",
        per_language=True,
    ),
)
STAGE = {stage.name: stage for stage in STAGES}
