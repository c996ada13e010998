"""A clip with one face, from film to film: dubkit, which finds the face itself, against a stock-style run that is given its boxes.

    PYTHONPATH=. python bench/lips_end_to_end.py FILM --start 0 --seconds 5        # where FILM shows one face for so long

The stretch is repeated to 10 and to 60 seconds. Every run is a process of its own, so CPU seconds (user + system, children
included) and peak resident memory are its alone; runs follow one another round by round. "Stock style" is this file's own
description of how the public inference works, written from its facts and not from its code: the whole film in memory, eager
fp32 in batches of 128, the 96-pixel face pasted as a rectangle, the picture encoded twice. Weights are random and of full
width: speed does not depend on them. S3FD's cost is measured on a few frames at full resolution and multiplied.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve()


def main() -> None:
    options = _options()
    if options.run:
        _child(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        clips = {seconds: _clip(options, seconds, Path(folder)) for seconds in options.lengths}
        weights = _random_weights(Path(folder)) if options.weights == "random" else options.weights
        shortest = min(clips)
        rows: dict[tuple[str, int], list[dict]] = {}
        for round_ in range(options.rounds):
            for kind in options.kinds:
                for seconds, clip in clips.items():
                    if seconds == shortest or (kind.startswith("ours") and round_ == 0 and not options.short_only):
                        rows.setdefault((kind, seconds), []).append(_run(kind, clip, weights, folder, options.threads))
                        print(kind, seconds, rows[kind, seconds][-1], flush=True)
    print(f"\n{'':22} {'clip s':>6} {'frames':>6} {'CPU s':>7} {'wall s':>7} {'peak MB':>8} {'stock/this':>10}")
    stock = min((row["cpu"] for row in rows.get(("stock", shortest), [])), default=float("nan"))
    for (kind, seconds), found in rows.items():
        best = min(found, key=lambda row: row["cpu"])
        ratio = f"{stock / best['cpu']:10.2f}" if seconds == shortest else ""
        print(
            f"{kind:22} {seconds:6} {best['frames']:6} {best['cpu']:7.1f} {best['wall']:7.1f} {best['peak_mb']:8.0f} {ratio}"
        )
    if options.s3fd:
        each = _run("s3fd", clips[shortest], weights, folder, options.threads)["cpu"]
        frames = rows["stock", shortest][0]["frames"]
        print(
            f"\nS3FD (random weights, full resolution): {each:.2f} CPU s a frame, {each * frames:.0f} s on every frame"
        )
        for (kind, seconds), found in rows.items():
            if kind != "stock" and seconds == shortest:
                print(f"stock with S3FD on every frame / {kind}: {(stock + each * frames) / min(r['cpu'] for r in found):.0f}, "
                      "mostly the detector's doing")  # fmt: skip


def _child(options: argparse.Namespace) -> None:
    import torch

    from dubkit.memory import give_back_freed

    if options.run.startswith("ours"):
        give_back_freed()  # as the program does
    torch.set_num_threads(options.threads)
    began, before = time.perf_counter(), _cpu()
    work = {"stock": stock_style, "s3fd": s3fd}.get(options.run, ours)
    frames = work(options.film, options)
    cpu = (_cpu() - before) / (frames if options.run == "s3fd" else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"frames": frames, "cpu": cpu, "wall": time.perf_counter() - began, "peak_mb": peak / 1e6}))


def ours(film: Path, options: argparse.Namespace) -> int:
    """Shots, faces, lips, blend, encode and mux, as the pipeline does it; every frame of the longest track is changed."""
    from dubkit.faces.shots import find_shots
    from dubkit.faces.track import track_faces
    from dubkit.lips.engine import run_jobs
    from dubkit.lips.jobs import MAX_FRAMES
    from dubkit.lips.result import LipResult
    from dubkit.media.audio import extract, read_audio
    from dubkit.media.mux import AudioTrack, mux
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader
    from dubkit.progress import silent
    from dubkit.render.compose import Composer
    from dubkit.render.encode import encode_pieces, plan_pieces
    from dubkit.settings import FacesSettings, LipsSettings, RenderSettings
    from dubkit.types import FrameRange, LipJob

    folder = film.with_suffix(f".{options.run}")
    folder.mkdir(exist_ok=True)
    engine = "openvino" if "openvino" in options.run else "wav2lip"
    settings = LipsSettings(
        engine=engine, weights=str(options.weights), device="cpu", precision="fp32", reference=options.reference
    )
    render, media, paths, jobs = RenderSettings(), probe(film), {}, []
    with FrameReader(media) as reader:
        shots = find_shots(reader, FacesSettings())
        tracks = {track.id: track for track in track_faces(reader, shots, FacesSettings())}
        for track in tracks.values():
            for start in range(track.range.start, track.range.stop, MAX_FRAMES):
                jobs.append(LipJob(f"{track.id}-{start}", track.id, track.shot,
                                   FrameRange(start, min(start + MAX_FRAMES, track.range.stop)), "actor", ()))  # fmt: skip

        def voice(speaker, segment):
            start = max(0.0, segment.start)
            return read_audio(film, sample_rate=16000, channels=1, start=start, duration=segment.end - start)[0]

        def keep(result: LipResult) -> None:
            paths[result.job_id] = folder / f"{result.job_id}.npz"
            result.save(paths[result.job_id])

        run_jobs(jobs, tracks, reader, voice, Fraction(media.video.rate), settings, keep)
        results = {job.id: (job.frames, lambda path=paths[job.id]: LipResult.load(path)) for job in jobs}
        pieces = plan_pieces(media, shots, {job.id: job.frames for job in jobs}, render, folder)
        encode_pieces(reader, pieces, Composer(results), render, silent)
    sound = folder / "sound.flac"
    extract(media, sound, sample_rate=48_000)  # as long as the picture
    mux([piece.path for piece in pieces], media, [AudioTrack(sound, "en", "Dub", True)], folder / "out.mp4", render)
    changed = sum(len(job.frames) for job in jobs)
    if changed < 0.9 * media.video.num_frames:
        raise SystemExit(
            f"only {changed} of {media.video.num_frames} frames have a face that could be followed; give another stretch"
        )
    return media.video.num_frames


def stock_style(film: Path, options: argparse.Namespace) -> int:
    """What the public inference does with boxes given, in this file's own words."""
    import cv2
    import numpy as np
    import torch

    from dubkit.lips import mel
    from dubkit.lips.models.loading import load_generator
    from dubkit.media.audio import read_audio
    from dubkit.media.ffmpeg import ffmpeg_binary
    from dubkit.weights import resolve

    video, frames = cv2.VideoCapture(str(film)), []
    rate = video.get(cv2.CAP_PROP_FPS)
    while True:  # the whole film in memory
        there, frame = video.read()
        if not there:
            break
        frames.append(frame)
    height, width = frames[0].shape[:2]
    x0, y0, x1, y1 = (round(v) for v in (0.38 * width, 0.2 * height, 0.62 * width, 0.7 * height))
    steps = mel.melspectrogram(read_audio(film, sample_rate=16000, channels=1)[0])
    windows = mel.windows(steps, [int(80 * n / rate) for n in range(len(frames))])
    model = load_generator(resolve(str(options.weights)))
    writer = cv2.VideoWriter(
        str(film.with_suffix(".stock.avi")), cv2.VideoWriter_fourcc(*"DIVX"), rate, (width, height)
    )
    for first in range(0, len(frames), 128):
        some = frames[first : first + 128]
        faces = np.stack([cv2.resize(frame[y0:y1, x0:x1], (96, 96)) for frame in some]).astype(np.float32)
        hidden = faces.copy()
        hidden[:, 48:] = 0
        given = np.concatenate((hidden, faces), axis=3).transpose(0, 3, 1, 2) / 255
        with torch.no_grad():
            made = model(torch.from_numpy(windows[first : first + 128]), torch.from_numpy(np.ascontiguousarray(given)))
        for frame, face in zip(some, made.numpy().transpose(0, 2, 3, 1) * 255, strict=True):
            frame = frame.copy()
            frame[y0:y1, x0:x1] = cv2.resize(face.astype(np.uint8), (x1 - x0, y1 - y0))
            writer.write(frame)
    writer.release()
    subprocess.run([ffmpeg_binary(), "-nostdin", "-v", "error", "-y", "-threads", str(options.threads), "-i", film, "-i", film.with_suffix(".stock.avi"),
                    "-map", "0:a", "-map", "1:v", "-strict", "-2", "-q:v", "1", film.with_suffix(".stock.mp4")], check=True)  # fmt: skip
    return len(frames)


def s3fd(film: Path, options: argparse.Namespace, count: int = 1) -> int:
    """S3FD's network on whole frames of the film, random weights."""
    import torch
    from face_alignment.detection.sfd.net_s3fd import s3fd as S3FD

    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader
    from dubkit.types import FrameRange

    torch.manual_seed(0)
    network = S3FD().eval()
    with FrameReader(probe(film)) as reader, torch.inference_mode():
        for frame in reader.read(FrameRange(0, count)):
            network(torch.from_numpy(frame.rgb()).permute(2, 0, 1).float()[None])
    return count


def _run(kind: str, clip: Path, weights: str | Path, folder: str, threads: int) -> dict:
    command = [sys.executable, HERE, clip, "--run", kind, "--weights", weights, "--threads", threads]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    output, peak = [], [0]
    reader = threading.Thread(target=lambda: output.extend(process.stdout), daemon=True)
    reader.start()
    while process.poll() is None:
        peak[0] = max(peak[0], _resident(process.pid))
        time.sleep(0.1)
    reader.join()
    if process.returncode:
        raise SystemExit(f"the run '{kind}' failed; see above")
    found = json.loads(output[-1])
    found["peak_mb"] = max(found["peak_mb"], peak[0] / 1e6)  # with the encoder, which is a process of its own
    return found


def _resident(pid: int) -> int:
    """Resident bytes of a process and its children; 0 where there is no /proc."""
    total = 0
    try:
        own = Path(f"/proc/{pid}/cmdline").read_bytes()
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if Path(f"/proc/{child}/cmdline").read_bytes() != own:  # else it still shares its parent's memory
                    total += _resident(child)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def _cpu() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _clip(options: argparse.Namespace, seconds: int, folder: Path) -> Path:
    from dubkit.media.ffmpeg import ffmpeg_binary

    part, clip = folder / "part.mp4", folder / f"clip{seconds}.mp4"
    quick = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-c:a", "aac"]
    run = [ffmpeg_binary(), "-nostdin", "-v", "error", "-y"]
    if not part.exists():
        cut = [
            *run,
            "-ss",
            options.start,
            "-t",
            options.seconds,
            "-i",
            options.film,
            "-vf",
            "scale=-2:720",
            *quick,
            part,
        ]
        subprocess.run([str(p) for p in cut], check=True)
    loop = [*run, "-stream_loop", "-1", "-i", part, "-t", seconds, *quick, clip]
    subprocess.run([str(p) for p in loop], check=True)
    return clip


def _random_weights(folder: Path) -> Path:
    import torch

    from dubkit.lips.models.loading import save_weights
    from dubkit.lips.models.wav2lip import Wav2Lip

    torch.manual_seed(0)
    path = folder / "random.safetensors"
    save_weights(Wav2Lip(), "wav2lip", path, {"licence": "random numbers"})
    return path


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("--start", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=5.0, help="of the film that are repeated")
    parser.add_argument("--lengths", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--kinds", nargs="+", default=["stock", "ours", "ours openvino"])
    parser.add_argument("--weights", default="random")
    parser.add_argument("--reference", default="voice", choices=("voice", "calm", "same"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--s3fd", action="store_true", help="measure S3FD too")
    parser.add_argument("--short-only", action="store_true", help="leave out the longer clips")
    parser.add_argument("--run", help="(used by the program itself) the run of this process")
    return parser.parse_args()


if __name__ == "__main__":
    main()
