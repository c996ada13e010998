"""The ffmpeg program: where it is, how a path is spelled for it, and how an ffmpeg-python graph is run.

Graphs are built with ffmpeg-python and started as argument lists through ``dubkit.process``; no shell ever sees them.
The binary is ``$DUBKIT_FFMPEG``, else the one on the PATH, else the one bundled with imageio-ffmpeg.
"""

from __future__ import annotations

import os
import shutil
from functools import lru_cache
from pathlib import Path

import ffmpeg

from dubkit.errors import EngineUnavailable
from dubkit.process import Pipe, run

_ALWAYS = ("-nostdin", "-hide_banner", "-loglevel", "error", "-y")


def ffmpeg_binary() -> Path:
    """The ffmpeg that dubkit uses. Raises EngineUnavailable where there is none."""
    chosen = os.environ.get("DUBKIT_FFMPEG")
    if chosen:
        found = shutil.which(chosen)
        if not found:
            raise EngineUnavailable(
                "ffmpeg", f"DUBKIT_FFMPEG names '{chosen}', which is not a program", "correct or unset DUBKIT_FFMPEG"
            )
        return Path(found)
    on_path = shutil.which("ffmpeg")
    if on_path:
        return Path(on_path)
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise EngineUnavailable("ffmpeg", "there is no ffmpeg on this machine", "pip install imageio-ffmpeg") from error


def url(path: Path) -> str:
    """How a path is spelled for ffmpeg and PyAV, so that '-', ':', '%' or a newline in it mean nothing special."""
    return f"file:{path}"


def arguments(spec) -> list[str]:
    """The whole command line of an ffmpeg-python graph: the binary, the fixed options, the graph."""
    return [str(ffmpeg_binary()), *_ALWAYS, *(str(part) for part in ffmpeg.get_args(spec))]


def run_graph(spec, *, stdin: bytes | None = None, timeout: float | None = None) -> bytes:
    """Runs a graph to its end and returns its standard output. Raises ProcessError with ffmpeg's last words."""
    return run(arguments(spec), stdin=stdin, timeout=timeout)


def pipe_graph(spec, *, write: bool = False, read: bool = False) -> Pipe:
    """Starts a graph that is fed through ``pipe:0`` (``write``) or read from ``pipe:1`` (``read``)."""
    return Pipe(arguments(spec), write=write, read=read)


@lru_cache(maxsize=4)
def _help(binary: Path) -> str:
    return run([binary, "-hide_banner", "-h", "long"]).decode("utf-8", "replace")


def has_option(name: str) -> bool:
    """Whether this ffmpeg knows the option ``-name`` (they come and go between versions)."""
    return any(line.startswith(f"-{name}") for line in _help(ffmpeg_binary()).splitlines())
