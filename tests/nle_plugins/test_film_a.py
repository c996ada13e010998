"""film_a on a desk: menu script, worker, the real pipeline, placing, again, undo, at the rates that editors work at.

Lips come from a tiny generator with random weights: what is proven here is that the right frames and the right sound arrive in the right
place and that nothing else moves, not how the mouths look.
"""

from __future__ import annotations

import copy
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dubkit.nle.pipeline import PipelineDubber
from dubkit.process import run
from tests.nle_plugins.desk import RATES, Desk

pytestmark = pytest.mark.slow
STARTS = [
    5.2,
    0.2,
    8.8,
    11.4,
    15.4,
    23.4,
    28.4,
    34.4,
    37.4,
]  # seconds in film_a; one in each of nine shots, not in order
LENGTHS = [10, 9, 12, 8, 10, 9, 12, 8, 10]  # frames of the timeline
SLOW = 3  # the clip that runs at half speed


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    torch = pytest.importorskip("torch")
    from dubkit.lips.models.loading import save_weights
    from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig

    torch.manual_seed(0)
    tiny = Wav2LipConfig(face=(2, 3, 4, 4, 5, 6, 6), audio=(2, 3, 4, 5, 6), decoder=(6, 6, 5, 4, 4, 3, 2), output=3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(Wav2Lip(tiny), "wav2lip", path, {"licence": "for tests"})
    return path


def render(desk: Desk, film: Path):
    """What Resolve's Deliver page would write of the slow clip."""

    def write(timeline, first: int, past: int, path: Path) -> None:
        start, seconds = STARTS[SLOW], (past - first) / timeline.rate
        run([
            "ffmpeg", "-v", "error", "-y", "-ss", f"{start}", "-t", f"{float(seconds / 2) + 0.5}", "-i", film,
            "-vf", f"setpts=2*PTS,fps={timeline.rate}", "-af", "atempo=0.5", "-frames:v", past - first, "-t", f"{float(seconds)}",
            "-c:v", "dnxhd", "-profile:v", "dnxhr_hq", "-pix_fmt", "yuv422p", "-c:a", "pcm_s16le", "-ar", "48000", "-ac", "2", path,
        ])  # fmt: skip

    return write


def lay_out(desk: Desk, film: Path, dub: Path) -> None:
    world, rate = desk.world, desk.world.timeline.rate
    video, audio, dubbing = world.track("video"), world.track("audio"), world.track("audio", "Dub es")
    voice = world.media(str(dub))
    at = 0
    for n, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True)):
        source, speed = round(start * 25), 0.5 if n == SLOW else 1.0
        for track in (video, audio):
            world.put(track, at, length, desk.film, source, f"shot {n}", speed=speed, link=n + 1)
        if speed == 1:
            world.put(dubbing, at, length, voice, round(Fraction(source, 25) * rate), f"dub {n}")
        at += length + (6 if n in (1, 4, 6) else 0)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["23.976", "25", "29.97DF", "29.97NDF", "59.94"])
def test_round_trip(name, shared, weights, tmp_path):
    film, dub = shared / "media/film_a.mp4", shared / "media/film_a.dub.flac"
    desk = Desk(tmp_path, film, *RATES[name])
    settings = {"lips.weights": str(weights), "speech.transcriber": "none"}
    desk.worker.dubber = PipelineDubber(settings)
    desk.world.renderer = render(desk, film)
    lay_out(desk, film, dub)
    world, before = desk.world, copy.deepcopy(desk.world.dump())

    said = desk.run()
    assert any("placed 18 clips" in line for line in said), said
    originals = world.timeline.of_kind("video")[0].items
    for kind in ("video", "audio"):
        [track] = [t for t in world.timeline.of_kind(kind) if t.name.startswith("Dubkit es ")]
        assert [(i.start, i.duration) for i in track.items] == [(i.start, i.duration) for i in originals]
    [track] = [t for t in world.timeline.of_kind("video") if t.name.startswith("Dubkit es ")]
    reader = Frames(film)
    rate = world.timeline.rate
    for n, (item, length) in enumerate(zip(track.items, LENGTHS, strict=True)):
        assert item.mpi.rate == rate
        speed = Fraction(1, 2) if n == SLOW else 1
        seen = Frames(Path(item.mpi.path)).all[item.source : item.source + length]
        off = []
        for k, picture in enumerate(seen):
            wanted = int(round(STARTS[n] * 25) + k / rate * speed * 25 + Fraction(1, 4))
            off.append(np.abs(picture - reader.all[wanted]).mean())
            other = reader.all[(wanted + 250) % 990]
            assert np.abs(picture - other).mean() > 3 * off[-1]  # of another shot
        assert np.median(off) < 4, f"clip {n}: {off}"
    placed = copy.deepcopy(world.dump())
    assert _without_ours(placed) == _without_ours(before)
    assert desk.run()[-1].endswith("already placed; nothing was changed")
    assert world.dump() == placed
    desk.run("Dubkit Undo.lua")
    assert world.dump() == before


def _without_ours(dump):
    return [[t for t in timeline["tracks"] if not t["name"].startswith("Dubkit")] for timeline in dump["timelines"]]


class Frames:
    """All frames of a film, small and grey, the lower half left out where mouths may move."""

    def __init__(self, path: Path):
        with av.open(str(path)) as container:
            self.all = [
                frame.reformat(width=160, height=90, format="gray").to_ndarray()[:45].astype(np.float32)
                for frame in container.decode(video=0)
            ]
