"""From any folder of videos to shards: shots, faces, and only those that speak in step with their sound.

No index is needed. A video's shots are found and its faces followed, as in a dub; a face is cut exactly as the engine
cuts it. Left out are tracks that are short, small, turned away or unseen for long, and those whose mouth does not agree with
the sound where it should (another speaker's voice, a dubbed film, a late sound): the expert must place the voice within a
frame, and clearly.

Nobody knows the people's names, so identity is where a video lies: the sub-folder's name, or the video's own. All faces of
one identity fall into the same split. Shards hold up to ``SHARD`` frames; a video whose record is written is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubkit.errors import DubkitError, InputError
from dubkit.evaluate.sync import SHIFTS, inner_curve
from dubkit.faces.shots import find_shots
from dubkit.faces.track import track_faces
from dubkit.lips.crops import cut, transforms
from dubkit.lips.gate import track_gates
from dubkit.lips.losses import SyncExpert
from dubkit.media.audio import read_audio
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.settings import FacesSettings, LipsSettings
from dubkit.train.crops import CROP, RIM, STORED
from dubkit.train.prepare import SUFFIXES, manifest, split_of, write_json, write_shard
from dubkit.train.runs import Report, silent
from dubkit.types import FaceTrack, FrameRange

SHORTEST, LONGEST = 30, 250  # frames at 25 fps: a clip; longer tracks are judged piece by piece
SMALLEST = 48  # source pixels, face height
CLEAR = 0.04  # cosine by which the right place must stand above the median of all shifts
SHARD = 3000  # frames


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One face speaking: ``faces`` (N, 112, 112, 3) uint8 BGR at 25 fps, ``audio`` (640 N,) float32 at 16 kHz."""

    faces: np.ndarray
    audio: np.ndarray


def prepare_videos(source: Path, folder: Path, judge: SyncExpert, settings: FacesSettings, *, name: str = "videos",
                   licence: str = "unknown", report: Report = silent) -> Path:  # fmt: skip
    """Make shards in ``folder`` from all videos below ``source`` → the path of ``shards.json``. Raises InputError."""
    videos = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not videos:
        raise InputError(f"there is no video below {source}; known suffixes: {', '.join(sorted(SUFFIXES))}")
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for video in videos:
        place = video.relative_to(source).with_suffix("")
        record = folder / f"{'_'.join(place.parts)}.json"
        if not record.is_file():
            identity = f"{name}/{place.parts[0]}"
            write_json(record, _one_video(video, record.stem, identity, name, folder, judge, settings, report))
        listed += json.loads(record.read_text(encoding="utf-8"))["shards"]
    if not listed:
        raise InputError(f"no face below {source} speaks in step with its sound for {SHORTEST / 25:.1f} s")
    return manifest(folder, source.name, listed, licence)


def _one_video(video: Path, stem: str, identity: str, set_name: str, folder: Path, judge: SyncExpert,
               settings: FacesSettings, report: Report) -> dict:  # fmt: skip
    shards, waiting, told = [], [], {"kept": 0, "out of step": 0}

    def store() -> None:
        if waiting:
            edges = np.cumsum([0, *(len(clip.faces) for clip in waiting)]).tolist()
            entry = write_shard(folder, f"{stem}.{len(shards):03}", np.concatenate([clip.faces for clip in waiting]),
                                np.concatenate([clip.audio for clip in waiting]))  # fmt: skip
            shards.append({**entry, "set": set_name, "identity": identity, "split": split_of(identity),
                           "clips": [list(pair) for pair in zip(edges, edges[1:], strict=False)]})  # fmt: skip
            waiting.clear()

    try:
        for clip in speaking_clips(video, settings):
            kept = in_step(judge, clip)
            told["kept" if kept else "out of step"] += 1
            if kept:
                waiting.append(clip)
            if sum(len(clip.faces) for clip in waiting) >= SHARD:
                store()
        store()
    except DubkitError as error:  # one bad file must not stop a night's work; its record says what it was
        report(f"{video.name}: left out: {error}")
        return {"shards": [], "left_out": str(error)}
    report(f"{video.name}: {told['kept']} clips, {told['out of step']} left out as out of step")
    return {"shards": shards, **told}


def speaking_clips(video: Path, settings: FacesSettings) -> Iterator[Clip]:
    """Every face of a video that can be followed and seen well for ``SHORTEST`` frames, in pieces, shot by shot."""
    media = probe(video)
    if media.video is None or not media.audio:
        raise InputError(f"{video.name} has no {'sound' if media.video else 'picture'}")
    rate = media.video.rate
    with FrameReader(media) as reader:
        shots = find_shots(reader, settings)
        tracks = track_faces(reader, shots, settings.model_copy(update={"identity": "none"}))
    gates = LipsSettings(min_face_px=SMALLEST)
    with FrameReader(media) as reader:
        for track in tracks:
            geometry = with_rim(transforms(track, CROP))
            open_ = ~np.any([gate.closed for gate in track_gates(track, gates)], axis=0)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], open_.astype(int), [0]]))).reshape(-1, 2)
            for start, stop in edges:
                yield from _pieces(reader, track, geometry, int(start), int(stop), rate)


def _pieces(reader: FrameReader, track: FaceTrack, geometry: np.ndarray, start: int, stop: int, rate) -> Iterator[Clip]:
    step = int(LONGEST * rate / 25)
    for first in range(start, stop, step):
        last = min(first + step, stop)
        count = int((last - first) / rate * 25)
        if count < SHORTEST:
            continue
        offset = int(track.frames[0])
        cuts = [cut(frame.rgb(), geometry[frame.index - offset], STORED)
                for frame in reader.read(FrameRange(offset + first, offset + last))]  # fmt: skip
        rows = [min(int(k * rate / 25), len(cuts) - 1) for k in range(count)]
        audio = read_audio(reader.media.path, sample_rate=16_000, channels=1, start=float((offset + first) / rate),
                           duration=count / 25).reshape(-1)  # fmt: skip
        audio = np.pad(audio, (0, max(0, 640 * count - len(audio))))[: 640 * count]
        yield Clip(np.ascontiguousarray(np.stack(cuts)[rows][..., ::-1]), audio.astype(np.float32))


def with_rim(geometry: np.ndarray) -> np.ndarray:
    """Transforms (N, 2, 3) of the crop → those of the stored crop, ``RIM`` pixels larger on every side."""
    wider = geometry.copy()
    wider[:, :, 2] -= RIM * (geometry[:, :, 0] + geometry[:, :, 1])
    return wider


def in_step(judge: SyncExpert, clip: Clip) -> bool:
    """Whether the expert places the clip's own sound within a frame of its mouth, and clearly."""
    curve = inner_curve(*embedded(judge, clip))
    here = float(np.nanmax(curve[SHIFTS - 1 : SHIFTS + 2]))
    return abs(int(np.nanargmax(curve)) - SHIFTS) <= 1 and here - float(np.nanmedian(curve)) >= CLEAR


def embedded(judge: SyncExpert, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Mouth and voice embeddings (windows, D) of a clip."""
    import torch

    from dubkit.lips.mel import melspectrogram, windows
    from dubkit.train.crops import inner
    from dubkit.train.data import mouth_stacks

    firsts = np.arange(len(clip.faces) - 4)
    stacks = mouth_stacks(torch.from_numpy(np.ascontiguousarray(inner(clip.faces))), firsts).float() / 255
    mel = melspectrogram(clip.audio)
    with torch.no_grad():
        heard = judge.eval().voice(torch.from_numpy(windows(mel, (int(f) * 80 // 25 for f in firsts))))
        return judge.mouth(stacks).numpy(), heard.numpy()
