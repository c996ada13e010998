"""The tables of docs/training.md: the expert and the generator on people they never saw.

Every number comes from held-out identities. The judge of the generator is an expert of the project's own, named as such;
where it is not the one that taught the generator, say so. The sync measures and FID are taken with another person's voice and
the frame itself as reference, as in the engine; the other picture measures with the clip's own voice, since there is no truth
for another one, and references from other clips of that person, so that the answer is not given away.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dubkit.errors import InputError
from dubkit.evaluate.pictures import closing, fid_to, frechet_efficientnet_to, psnr, ssim
from dubkit.evaluate.sync import SHIFTS, in_and_out_accuracy, inner_curve, joined, sync_curve
from dubkit.lips.losses import SyncExpert
from dubkit.lips.reference import openness
from dubkit.train.crops import CROP
from dubkit.train.data import Clip, TalkingFaces, mouth_stacks
from dubkit.train.expert import FRAMES, embed_clip
from dubkit.train.losses import mouth_region
from dubkit.train.strips import Speaker, references, speak

Painter = Callable[[Clip, Clip, int], np.ndarray]
"""Face clip, voice clip, frames → the face saying it, uint8 (frames, 96, 96, 3) BGR."""
Pair = tuple[Clip, Clip, int]
"""A face, a voice, and how many frames both have."""


def expert_table(expert: SyncExpert, data: TalkingFaces) -> dict[str, dict]:
    """For each set: accuracy of one window against another at least 4 frames away (chance 0.5), and the mean cosine at
    −15 … +15 frames."""
    table = {}
    for name in data.sets:
        pairs = [_embedded(expert, data, clip) for clip in data.clips if clip.set == name]
        curve = np.nanmean([inner_curve(mouth, voice) for voice, mouth in pairs], axis=0)
        table[name] = {
            "clips": len(pairs),
            "accuracy": round(float(np.mean([in_and_out_accuracy(mouth, voice) for voice, mouth in pairs])), 4),
            "cosine_over_shifts": [round(float(v), 4) for v in curve],
        }
    return table


def mismatched(data: TalkingFaces, pairs: int) -> list[Pair]:
    """``pairs`` random held-out faces, each with the voice of another person. Raises InputError where there is one person."""
    rng = np.random.default_rng(21)
    return [_mismatched(data, rng) for _ in range(pairs)]


def generator_table(
    painters: dict[str, Painter], judge: SyncExpert, data: TalkingFaces, drawn: list[Pair]
) -> dict[str, dict]:
    """For each painter, on the drawn pairs: LSE-D and LSE-C in the judge's own scale, AV offset, and the mean cosine at
    −15 … +15 frames."""
    table = {}
    for name, paint in painters.items():
        curves, inner = [], []
        for face, voice, frames in drawn:
            mouth = _mouths(judge, paint(face, voice, frames))
            firsts = voice.start + 1 + np.arange(len(mouth))
            with torch.no_grad():
                heard = judge.voice(torch.from_numpy(data.expert_windows(voice, firsts))).numpy()
            curves.append(sync_curve(mouth, heard, zeros_past_ends=False))
            inner.append(inner_curve(mouth, heard))
        whole = joined(curves)
        cosine = np.nanmean(inner, axis=0)
        table[name] = {
            "lse_d": round(whole.score.distance, 4),
            "lse_c": round(whole.score.confidence, 4),
            "av_offset": whole.score.offset_frames,
            "cosine_in_place": round(float(cosine[SHIFTS]), 4),
            "cosine_over_shifts": [round(float(v), 4) for v in cosine],
        }
    return table


def picture_table(
    models: dict[str, Speaker | None], data: TalkingFaces, clips: int = 30, how: str = "laid"
) -> dict[str, dict]:
    """For each model and set, on held-out clips with their own voice and ``references`` of other clips: mouth L1 (0 to 1), PSNR
    (dB) and SSIM of the crop, how well lips close where the real ones do (0.5: at random), and the Fréchet distance over
    EfficientNet of all crops. None stands for showing the reference itself."""
    rows, columns = mouth_region(CROP)
    table: dict[str, dict[str, dict[str, float]]] = {name: {} for name in models}
    for set_name in data.sets:
        mine = _spread([clip for clip in data.clips if clip.set == set_name], clips)
        distance = frechet_efficientnet_to([picture for clip in mine for picture in _real(data, clip)[..., ::-1]])
        shown = [references(data, clip, len(_real(data, clip)), how) for clip in mine]
        for name, model in models.items():
            found, pile = [], []
            for clip, other in zip(mine, shown, strict=True):
                real = _real(data, clip)
                made = other if model is None else speak(model, data, clip, clip, len(real), shown=other)[0]
                apart = np.abs(made[:, rows, columns].astype(np.float32) - real[:, rows, columns])
                ought = openness(real[..., ::-1])
                alike = np.mean([ssim(*pair) for pair in zip(made[::4], real[::4], strict=True)])
                closes = closing(openness(made[..., ::-1]), ought <= np.quantile(ought, 0.25))
                found.append((apart.mean() / 255, psnr(made, real), alike, closes))
                pile += list(made[..., ::-1])
            numbers = (*np.nanmean(found, axis=0), distance(pile))
            keys = ("mouth_l1", "psnr", "ssim", "closing", "frechet_efficientnet")
            rounded = {key: round(float(value), 5) for key, value in zip(keys, numbers, strict=True)}
            table[name][set_name] = rounded | {"clips": len(mine), "frames": len(pile)}
    return table


def fid_table(
    painters: dict[str, Painter], data: TalkingFaces, drawn: list[Pair], inception: Path, pictures: int = 160
) -> dict[str, dict]:
    """For each painter, FID of ``pictures`` crops of the drawn pairs from as many real ones of the same people's other clips:
    untouched pictures are not 0, but what two piles of real ones are apart. So few bias FID upwards, all rows alike."""
    faces = {face for face, _, _ in drawn}
    people = {face.identity for face in faces}
    others = [clip for clip in data.clips if clip.identity in people and clip not in faces] or data.clips
    real = [picture for clip in others for picture in _spread(list(_real(data, clip)), 1 + 2 * pictures // len(others))]
    distance = fid_to([picture[..., ::-1] for picture in _spread(real, pictures)], inception)
    table = {}
    for name, paint in painters.items():
        made = _spread([picture for pair in drawn for picture in paint(*pair)], pictures)
        table[name] = {"fid": round(distance(picture[..., ::-1] for picture in made), 3), "pictures": len(made)}
    return table


def painter(model: Speaker, data: TalkingFaces, shift: int = 0) -> Painter:
    """What ``model`` makes of a face; the voice it hears may be moved by ``shift`` frames."""
    return lambda face, voice, frames: speak(model, data, face, voice, frames, shift)[0]


def untouched(data: TalkingFaces) -> Painter:
    """The film as it is, under the other voice."""
    return lambda face, voice, frames: data.crops(face, face.start + 1 + np.arange(frames))


def _real(data: TalkingFaces, clip: Clip) -> np.ndarray:
    return data.crops(clip, np.arange(clip.start + 1, clip.stop - FRAMES))


def _spread(things: list, most: int) -> list:
    return [things[i] for i in np.unique(np.linspace(0, len(things) - 1, most).astype(int))]


def _embedded(expert: SyncExpert, data: TalkingFaces, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    return tuple(side.cpu().numpy() for side in embed_clip(expert.eval(), data, clip))


@torch.no_grad()
def _mouths(judge: SyncExpert, pictures: np.ndarray) -> np.ndarray:
    stacks = mouth_stacks(torch.from_numpy(np.ascontiguousarray(pictures)), np.arange(len(pictures) - FRAMES + 1))
    return judge.eval().mouth(stacks.float() / 255).numpy()


def _mismatched(data: TalkingFaces, rng: np.random.Generator) -> Pair:
    face = data.clips[rng.integers(len(data.clips))]
    others = [clip for clip in data.clips if clip.identity != face.identity]
    if not others:
        raise InputError(
            f"{data.folder} holds out only {face.identity}; somebody else's voice needs two held-out people"
        )
    voice = others[rng.integers(len(others))]
    return face, voice, min(face.stop - face.start, voice.stop - voice.start) - FRAMES - 1
