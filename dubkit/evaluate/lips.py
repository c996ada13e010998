"""How well do the lips of a film follow its voice? ``dubkit evaluate lips result.mp4 --reference source.mp4``.

Every face that can be followed for two seconds is cut out, brought to 25 fps and compared with the film's own sound by a
judge: the public SyncNet where its weights are given, else the project's own expert. Their numbers are on different
scales and are never mixed; the table names the judge. The aim is to come close to real footage, not to score highest:
give the untouched film as reference, and its numbers stand beside the result's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from dubkit.errors import InputError
from dubkit.evaluate.beside import MOST, closing_in_silence, compare
from dubkit.evaluate.mfcc import mfcc
from dubkit.evaluate.sync import SyncCurve, in_and_out_accuracy, inner_curve, joined, share_out_of_sync, sync_curve
from dubkit.faces.shots import find_shots
from dubkit.faces.track import track_faces
from dubkit.lips.crops import cut, region, shifted, transforms
from dubkit.lips.mel import melspectrogram, window_start, windows
from dubkit.lips.models.loading import BUNDLED_EXPERT, load_expert, read_state
from dubkit.lips.models.syncnet import syncnet_from_state
from dubkit.media.audio import read_audio
from dubkit.media.frame import Frame
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.progress import Progress, silent
from dubkit.settings import FacesSettings
from dubkit.types import FaceTrack, FrameRange, Media, Segment, Shot

FRAMES = 5
SHORTEST = 2.0  # seconds
CLEAR = {False: 0.04, True: 1.5}
"""LSE-C from which on a face of a real film is taken to speak: of the project's expert (film_a: speakers 0.08 and more, listeners
below 0.03), and of the official SyncNet (a choice; its weights were not at hand)."""
_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """One face at 25 fps with its sound: pictures (N, S, S, 3) uint8 RGB, audio float32 from the first one's start."""

    track_id: str
    start: float
    pictures: np.ndarray
    audio: np.ndarray


Judge = Callable[[Spoken], tuple[np.ndarray, np.ndarray]]
"""A face → embeddings (windows, D) of picture and voice, a window starting with every frame."""


def evaluate_lips(result: Path, reference: Path | None = None, *, weights: Path | None = None,
                  inception: Path | None = None, alexnet: Path | None = None, faces: FacesSettings | None = None,
                  progress: Progress = silent) -> dict:  # fmt: skip
    """Score ``result``, and ``reference`` beside it → plain numbers, ready for JSON.

    ``weights`` names the official ``syncnet_v2.model`` or an expert; without it the bundled expert judges. ``inception`` and
    ``alexnet`` are files for FID and LPIPS, which are downloads. Where both films have the same frames, faces are searched for
    in the reference and looked at in the same places of both, and the share out of sync is of those that speak there.
    Raises InputError where no face can be followed long enough.
    """
    name, size, official, judge = load_judge(weights)
    scores, kept, places, searches = {}, {}, None, 0
    for role, film in (("reference", reference), ("result", result)):
        if film is None:
            continue
        media = probe(film)
        if not places or not _same_frames(media, places[0]):
            places, searches = (media, *follow_faces(media, faces or FacesSettings(), progress)), searches + 1
        kept[role] = []
        stride = max(1, sum(len(track.frames) for track in places[2]) // MOST)
        cuts = _keeping(cut_faces(media, *places[1:], size, official), kept[role], stride)
        scores[role] = score_faces(cuts, judge, film.name, official)
    if reference:
        scores = {"result": scores["result"], "reference": scores["reference"]}
        if searches == 1:  # both were looked at in the same places
            scores = {role: of_speakers(one, scores["reference"], CLEAR[official]) for role, one in scores.items()}
        scores["pictures"] = compare(kept["result"], kept["reference"], inception, alexnet)
    return {"judge": name, "offset_sign": "positive: the matching sound is earlier than the picture", **scores}


def _same_frames(one: Media, other: Media) -> bool:
    """Whether a face found in one film is at the same place in the other: a dub has its source's frames."""
    return all(
        getattr(one.video, key) == getattr(other.video, key) for key in ("num_frames", "rate", "width", "height")
    )


def of_speakers(scores: dict, real: dict, clear: float) -> dict:
    """``scores`` with ``out_of_sync_share`` of only those faces that follow the voice in the ``real`` film (LSE-C of at least
    ``clear``), and how many they are: a face that listens is in step with nobody. None where nobody speaks."""
    speaking = {face["track"] for face in real["faces"] if face["lse_c"] >= clear}
    away = [abs(face["av_offset"]) > 1 for face in scores["faces"] if face["track"] in speaking]
    share = round(float(np.mean(away)), 4) if away else None
    return {**scores, "out_of_sync_share": share, "speaking_faces": len(away)}


def _keeping(faces: Iterable[Spoken], kept: list[Spoken], stride: int) -> Iterator[Spoken]:
    """Pass faces on, and keep every ``stride``-th picture of each for ``compare``: a film's crops do not fit into memory."""
    for face in faces:
        kept.append(replace(face, pictures=face.pictures[::stride].copy(), audio=face.audio[:0]))
        yield face


def score_faces(faces: Iterable[Spoken], judge: Judge, name: str, official: bool = False) -> dict:
    """LSE-D, LSE-C and AV offset of all faces together, of each, and the mean cosine at ±15 frames. One face is held at a
    time. Raises InputError where there is none."""
    return together([judged(face, judge, official) for face in faces], name)


def judged(face: Spoken, judge: Judge, official: bool = False) -> dict:
    """What ``together`` must know of one face; a JSON value."""
    pair = judge(face)
    middle = len(pair[0]) // 2
    halves = ([side[:middle] for side in pair], [side[middle:] for side in pair])
    return {
        "track": face.track_id,
        "start": round(face.start, 3),
        "curve": _plain(sync_curve(*pair, zeros_past_ends=official)),
        "halves": [_plain(sync_curve(*half, zeros_past_ends=False)) for half in halves],
        "inner": inner_curve(*pair).tolist(),
        "accuracy": in_and_out_accuracy(*pair),
        "closes": float("nan") if official else closing_in_silence([face]),
    }


def together(faces: Sequence[dict], name: str) -> dict:
    """The scores of a film, ``name``, from its judged faces. ``halves_agree``: whether the best shift of the first halves of all
    faces is, within a frame, that of the second halves. Where it is not, the AV offset says nothing: of stretches of 2 to
    5 s with a voice that is not theirs, one in ten has halves that agree. Raises InputError where there is no face.
    """
    if not faces:
        raise InputError(f"{name} has no face that can be followed for {SHORTEST:.0f} s; there is nothing to judge")
    curves = [_curve(face["curve"]) for face in faces]
    first, second = (joined([_curve(face["halves"][half]) for face in faces]).score for half in (0, 1))
    closes = [face["closes"] for face in faces]
    return {
        **_numbers(joined(curves)),
        "halves_agree": abs(first.offset_frames - second.offset_frames) <= 1,
        "out_of_sync_share": share_out_of_sync(curves),
        "in_out_accuracy": round(float(np.mean([face["accuracy"] for face in faces])), 4),
        "closing_in_silence": None if np.isnan(closes).all() else round(float(np.nanmean(closes)), 4),
        "cosine_over_shifts": [round(float(v), 4) for v in np.nanmean([face["inner"] for face in faces], axis=0)],
        "faces": [
            {"track": face["track"], "start": face["start"], **_numbers(curve)}
            for face, curve in zip(faces, curves, strict=True)
        ],
    }


def _plain(curve: SyncCurve) -> list:
    return [curve.distances.tolist(), curve.windows]


def _curve(plain: list) -> SyncCurve:
    return SyncCurve(np.array(plain[0], np.float32), plain[1])


def faces_to_quantize(film: Path, count: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows (N, 1, 80, 16), crops and references (N, 96, 96, 3) of a film's faces, spread over it, N at most ``count``: what
    ``dubkit.lips.quantize`` wants. References are other frames of the same face. Raises InputError without a face."""
    voices, crops, references = [], [], []
    for face in spoken_faces(film, FacesSettings(), 96, False):
        steps = melspectrogram(face.audio)
        voices.append(windows(steps, (window_start(n, 25) for n in range(len(face.pictures)))))
        crops.append(face.pictures)
        references.append(np.roll(face.pictures, len(face.pictures) // 2, axis=0))
    if not crops:
        raise InputError(f"{film.name} has no face that can be followed for {SHORTEST:.0f} s; give another film")
    chosen = np.unique(np.linspace(0, sum(map(len, crops)) - 1, count).astype(int))
    return tuple(np.concatenate(parts)[chosen] for parts in (voices, crops, references))


def load_judge(weights: Path | None) -> tuple[str, int, bool, Judge]:
    """Name, picture size, whether it is the official SyncNet (with its own crop), and the judge. Raises WeightsError."""
    path = weights or BUNDLED_EXPERT
    state, _ = read_state(path)
    if any(key.startswith("netcnnlip") for key in state):
        model = syncnet_from_state(state, path.name)
        return f"SyncNet 2016 ({path.name})", 224, True, lambda face: _syncnet_embeddings(model, face)
    expert = load_expert(path)
    return (
        f"{path.stem} (a lip-sync expert, not the public SyncNet)",
        96,
        False,
        lambda face: _expert_embeddings(expert, face),
    )


def spoken_faces(film: Path, settings: FacesSettings, size: int, official: bool, progress: Progress = silent):
    """Yield every face of ``film`` that can be followed long enough, shot by shot."""
    media = probe(film)
    yield from cut_faces(media, *follow_faces(media, settings, progress), size, official)


def follow_faces(
    media: Media, settings: FacesSettings, progress: Progress = silent
) -> tuple[Sequence[Shot], Sequence[FaceTrack]]:
    """The shots of a film and the faces in them."""
    with FrameReader(media) as reader:
        shots = find_shots(reader, settings)
        return shots, track_faces(reader, shots, settings, progress)


def cut_faces(
    media: Media, shots: Sequence[Shot], tracks: Sequence[FaceTrack], size: int, official: bool
) -> Iterator[Spoken]:
    """Yield these faces of a film where they can be followed long enough, shot by shot."""
    with FrameReader(media) as reader:
        rate = media.video.rate
        long_enough = [track for track in tracks if len(track.frames) >= SHORTEST * rate]
        for shot in shots:
            mine = [track for track in long_enough if track.frames[0] in shot.frames]
            if not mine:
                continue
            geometry = {
                track.id: syncnet_transforms(track, size) if official else transforms(track, size) for track in mine
            }
            wanted = {track.id: _frames_at_25(track, rate) for track in mine}
            cuts: dict[str, dict[int, np.ndarray]] = {track.id: {} for track in mine}
            first, last = min(t.frames[0] for t in mine), max(t.frames[-1] for t in mine)
            for frame in reader.read(FrameRange(int(first), int(last) + 1)):
                for track in mine:
                    row = frame.index - int(track.frames[0])
                    if 0 <= row < len(track.frames):
                        cuts[track.id][row] = _cut(frame, geometry[track.id][row], size, official)
            for track in mine:
                start = float(track.frames[0] / rate)
                pictures = np.stack([cuts[track.id][row] for row in wanted[track.id]])
                seconds = Segment(start, start + len(pictures) / 25)
                audio = read_audio(
                    media.path, sample_rate=16_000, channels=1, start=start, duration=seconds.end - seconds.start
                )
                yield Spoken(track.id, start, pictures, audio.reshape(-1))


def syncnet_transforms(track: FaceTrack, size: int) -> np.ndarray:
    """SyncNet's crop: a square around the box, x ± 1.4 s and y from −s to 1.8 s with s half the larger edge."""
    boxes = track.boxes.astype(np.float64)
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    scale = 2.8 * half / size
    offset = centre + np.stack([-1.4 * half, -half], axis=1) + (scale[:, None] - 1) / 2
    zero = np.zeros(len(boxes))
    rows = [np.stack([scale, zero, offset[:, 0]], axis=1), np.stack([zero, scale, offset[:, 1]], axis=1)]
    return np.stack(rows, axis=1).astype(np.float32)


def _frames_at_25(track: FaceTrack, rate) -> np.ndarray:
    """Rows of the track on screen at 0, 40, 80 … ms after its start."""
    count = int(len(track.frames) / rate * 25)
    return np.array([min(int(k * rate / 25), len(track.frames) - 1) for k in range(count)])


def _cut(frame: Frame, transform: np.ndarray, size: int, official: bool) -> np.ndarray:
    x0, y0, x1, y1 = region(transform, size, *frame.size)
    picture, moved = frame.rgb((x0, y0, x1, y1)), shifted(transform, -x0, -y0)
    if not official:
        return cut(picture, moved, size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, moved, (size, size), flags=flags, borderValue=(110, 110, 110))


@torch.no_grad()
def _expert_embeddings(expert, face: Spoken) -> tuple[np.ndarray, np.ndarray]:
    mel = melspectrogram(face.audio)
    count = len(face.pictures) - FRAMES + 1
    lower = face.pictures[:, face.pictures.shape[1] // 2 :, :, ::-1].transpose(0, 3, 1, 2)
    mouths, voices = [], []
    for first in range(0, count, _BATCH):
        starts = np.arange(first, min(first + _BATCH, count))
        stack = lower[starts[:, None] + np.arange(FRAMES)].reshape(len(starts), 3 * FRAMES, *lower.shape[2:])
        mouths.append(expert.mouth(torch.from_numpy(stack).float() / 255))
        voices.append(expert.voice(torch.from_numpy(windows(mel, (int(k) * 80 // 25 for k in starts)))))
    return torch.cat(mouths).numpy(), torch.cat(voices).numpy()


@torch.no_grad()
def _syncnet_embeddings(model, face: Spoken) -> tuple[np.ndarray, np.ndarray]:
    """As the public script has it: the last window is left out, colours are BGR, 0 to 255."""
    coefficients = mfcc(face.audio)
    count = min(len(face.pictures), len(face.audio) // 640) - FRAMES
    pictures = np.ascontiguousarray(face.pictures[..., ::-1].transpose(3, 0, 1, 2)).astype(np.float32)
    seen, heard = [], []
    for first in range(0, count, _BATCH):
        starts = range(first, min(first + _BATCH, count))
        seen.append(model.face(torch.from_numpy(np.stack([pictures[:, k : k + FRAMES] for k in starts]))))
        heard.append(
            model.voice(torch.from_numpy(np.stack([coefficients[None, :, 4 * k : 4 * k + 20] for k in starts])))
        )
    return torch.cat(seen).numpy(), torch.cat(heard).numpy()


def _numbers(curve: SyncCurve) -> dict:
    score = curve.score
    return {
        "lse_d": round(score.distance, 4),
        "lse_c": round(score.confidence, 4),
        "av_offset": score.offset_frames,
        "distance_in_place": round(curve.distance_in_place, 4),
        "windows": curve.windows,
    }
