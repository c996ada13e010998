"""The stage "adapt": the generator fine-tuned for each character on the film's own footage, where that helps.

A character's footage is every stretch in which their face is on screen and only their voice is heard. What was tried on whom
is in ``adapt.json``, with the reason; weights that were kept lie beside it and are used by the lips stage for that
character's faces alone. Setting ``lips.adapt`` back to off brings the original lips back: nothing else was touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dubkit.digest import value_digest
from dubkit.errors import DubkitError, InputError
from dubkit.memory import keeping_freed
from dubkit.project import artefacts
from dubkit.timing import frames_covering, seconds_at
from dubkit.types import Character, FaceTrack, FrameRange

if TYPE_CHECKING:
    from dubkit.lips.adapt import Footage
    from dubkit.media.reader import FrameReader
    from dubkit.project.stages import Work
    from dubkit.settings import LipsSettings

LONGEST, SHORTEST = 60.0, 1.0  # seconds of one character that are used in all; of one stretch
STEPS = {"last": 60, "all": 400}


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one character. ``weights`` names the file beside, where the adapted generator was kept."""

    character: str
    track_ids: tuple[str, ...]
    kept: bool
    reason: str
    key: str = ""  # names the files of this try
    weights: str | None = None
    digest: str | None = None  # of the weight file
    figures: dict[str, Any] | None = None  # of dubkit.lips.adapt.Adaptation: frames, mouth L1, sync, before and after


def make_adapted(work: Work) -> list[Path]:
    """``adapt.json`` and the weights that were kept; what was tried before on the same footage is not tried again."""
    from dubkit.media.reader import FrameReader

    wanted, device = work.settings.lips.adapt, "cpu"
    if wanted != "off":
        from dubkit.lips.wav2lip import choose_device  # brings torch

        chosen = choose_device(work.settings.lips.device)
        device = str(chosen) if chosen.type == "cuda" else "cpu"
        if wanted == "auto" and device == "cpu":
            work.say(
                "lips.adapt = auto adapts on a GPU only, and there is none here; on would, a minute or more an actor"
            )
            wanted = "off"
    if wanted != "off" and work.analysis_audio() is None:
        work.say("the film has no sound, so there is nothing to learn the actors' mouths from")
        wanted = "off"
    tried: list[Tried] = []
    if wanted != "off":
        tracks = {track.id: track for track in work.tracks()}
        with FrameReader(work.media()) as reader:
            characters = work.characters()
            for number, character in enumerate(characters):
                tried.append(_try(work, character, tracks, reader, device))
                work.say(f"{character.name}: {tried[-1].reason}")
                work.progress(number + 1, len(characters))
    kept = [work.folder / one.weights for one in tried if one.weights]
    return [artefacts.write_json(work.folder / "adapt.json", tuple(tried), tuple[Tried, ...]), *kept]


def adapted_weights(work: Work) -> Mapping[str, tuple[Path, str]]:
    """Track id → the adapted weights of its character and their digest; tracks of others are absent."""
    path = work.file("adapt", "adapt.json")
    tried = artefacts.read_json(path, tuple[Tried, ...])
    return {track: (path.parent / one.weights, one.digest) for one in tried if one.weights for track in one.track_ids}


def read_weights(settings: LipsSettings) -> dict[str, str]:
    """The weights that the stage starts from and judges by, for its record; none where it does nothing."""
    from dubkit.lips.checkpoint import weights_digest
    from dubkit.weights import BUNDLED, file_sha256

    if settings.adapt == "off":
        return {}
    judge = BUNDLED / "dubkit-expert-small.safetensors"
    return {settings.weights: weights_digest(settings.weights), judge.stem: file_sha256(judge)}


def seconds_file(folder: Path, key: str) -> Path:
    """How long a try took, beside its record: not in it, so that the same footage gives the same bytes."""
    return folder / f"{key}.seconds.json"


def _try(work: Work, character: Character, tracks: Mapping[str, FaceTrack], reader: FrameReader, device: str) -> Tried:
    from dubkit.lips.adapt import CODE, adapt
    from dubkit.lips.checkpoint import load_generator, weights_digest
    from dubkit.lips.models.loading import BUNDLED_EXPERT, file_digest, load_expert, save_weights
    from dubkit.lips.wav2lip import out_of_memory_is_memory_error

    settings = work.settings.lips
    places = list(_places(work, character, tracks))
    layers = "last" if device == "cpu" else "all"
    key = value_digest({
        "code": CODE, "film": work.media().digest, "weights": weights_digest(settings.weights), "layers": layers,
        "expert": file_digest(BUNDLED_EXPERT), "places": [(track.id, f.start, f.stop) for track, f in places],
        "boxes": [track.boxes.astype("<f4").tobytes() for track, _ in places],
    }).removeprefix("sha256:")[:16]  # fmt: skip
    record = work.folder / f"{key}.json"
    if not record.is_file():
        model, about = load_generator(settings.weights)
        weights = work.folder / f"{key}.safetensors"
        try:
            footage = [_footage(work, reader, track, frames, model.config.size) for track, frames in places]
            with keeping_freed(), out_of_memory_is_memory_error():
                model, told = adapt(model, load_expert(), footage, steps=STEPS[layers], layers=layers, device=device)
            figures, kept, reason = asdict(told), told.kept, told.reason
            artefacts.write_json(seconds_file(work.folder, key), figures.pop("seconds"), float)
        except InputError as error:  # too little of this actor is no failure of the film
            figures, kept, reason = None, False, str(error)
        except MemoryError as error:
            raise DubkitError(
                f"there is not enough memory on {device} to adapt to {character.name}; close other programs on it, or set "
                "lips.adapt = 'off'"
            ) from error
        one = Tried(character.name, character.track_ids, kept, reason, key, figures=figures)
        if kept:
            meta = save_weights(model, "wav2lip", weights, {
                "name": weights.stem, "kind": "generator", "licence": about["licence"],
                "source": f"{about['weights']} ({about['weights_digest']}) adapted to {character.name} by dubkit",
                "data": f"{work.media().path.name}: {told.frames} frames of {character.name}", "steps": told.steps,
                "note": reason,
            })  # fmt: skip
            one = Tried(character.name, character.track_ids, kept, reason, key, weights.name, meta["digest"], figures)
        artefacts.write_json(record, one, Tried)
    return artefacts.read_json(record, Tried)


def _places(
    work: Work, character: Character, tracks: Mapping[str, FaceTrack]
) -> Iterator[tuple[FaceTrack, FrameRange]]:
    """Where the character is seen to speak and nobody else is heard, in the film's order, ``LONGEST`` in all."""
    from dubkit.lips.gate import track_gates

    rate, turns = work.media().video.rate, {turn.id: turn for turn in work.turns()}
    left = LONGEST * rate
    own = [a for a in work.assignments() if a.state == "on-screen" and a.track_id in character.track_ids and a.turn_id in turns]  # fmt: skip
    for assignment in sorted(own, key=lambda a: (a.frames.start, a.track_id)):
        track, speaker = tracks[assignment.track_id], turns[assignment.turn_id].speaker
        usable = np.zeros(len(track.frames), bool)
        shared = assignment.frames & track.range
        usable[shared.start - track.range.start : shared.stop - track.range.start] = True
        for gate in track_gates(track, work.settings.lips):
            usable &= ~gate.closed
        for other in turns.values():
            if other.speaker != speaker:
                heard = FrameRange(*frames_covering(other.segment.start, other.segment.end, rate)) & track.range
                usable[heard.start - track.range.start : heard.stop - track.range.start] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[0], usable.astype(int), [0]])))
        for start, stop in edges.reshape(-1, 2) + track.range.start:
            stop = min(int(stop), int(start + left))
            if stop - start >= SHORTEST * rate:
                left -= stop - start
                yield track, FrameRange(int(start), stop)


def _footage(work: Work, reader: FrameReader, track: FaceTrack, frames: FrameRange, size: int) -> Footage:
    from dubkit.lips.adapt import Footage
    from dubkit.lips.blend import seen
    from dubkit.lips.crops import transforms
    from dubkit.lips.mel import melspectrogram
    from dubkit.media.audio import read_audio

    rate, geometry, crops = work.media().video.rate, transforms(track, size), []
    for frame in reader.read(frames):
        crops.append(seen(frame, geometry[frame.index - track.range.start], size))
    at_25 = [min(int(k * rate / 25), len(crops) - 1) for k in range(int(len(crops) / rate * 25))]
    start = float(seconds_at(frames.start, rate))
    sound = read_audio(work.analysis_audio(), sample_rate=16_000, channels=1, start=start, duration=len(at_25) / 25)
    return Footage(np.ascontiguousarray(np.stack(crops)[at_25][..., ::-1]), melspectrogram(sound[0]))
