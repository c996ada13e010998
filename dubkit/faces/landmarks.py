"""Engines that find the points of a face once its box is known: what they promise, and the dict that names them.

How to add one: write ``dubkit/faces/<name>.py`` with a subclass of ``Landmarker`` and name it in ``LANDMARKERS``.

``faces.landmarks = "detector"`` keeps what the detector gives (five points, or none). What later rooms make of it:
five or 68 points set eyes and mouth upright everywhere; without any, faces are taken to be upright in their box, a
turned head is not noticed, and ``lips.without_landmarks`` says whether such a face is altered at all.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from dubkit.engines import Engine, create
from dubkit.settings import FacesSettings

FAN_FILE = "2DFAN4-11f355bf06.pth.tar"  # as face-alignment downloads it


class Landmarker:
    """Boxes of one picture in, points out."""

    def __init__(self, weights: str | None = None):
        self.weights = weights

    def locate(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """(N, 68, 2) float32 points in the picture's pixels, order of iBUG 300-W, for boxes (N, 4) of an RGB picture."""
        raise NotImplementedError


LANDMARKERS: dict[str, Engine] = {
    "fan": Engine(
        "dubkit.faces.fan:Fan",
        "pip install 'dubkit[faces]'",
        "FAN of the package face-alignment (BSD), 68 points; its weights come from torch's hub cache or by path",
    ),
}


def landmarks_in_use(settings: FacesSettings) -> str:
    """What ``faces.landmarks`` comes to on this machine: "auto" is FAN where its weights are, else the detector's own."""
    if settings.landmarks != "auto":
        return settings.landmarks
    return "fan" if settings.landmark_weights or fan_weights().is_file() else "detector"


def fan_weights() -> Path:
    """Where torch's hub keeps FAN's weights, whether they are there or not (``TORCH_HOME`` moves it)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("TORCH_HOME", cache / "torch"))
    return home.expanduser() / "hub" / "checkpoints" / FAN_FILE


def create_landmarker(settings: FacesSettings) -> Landmarker | None:
    """The engine that ``faces.landmarks`` names; None where the detector's own points are kept."""
    name = landmarks_in_use(settings)
    return (
        None if name == "detector" else create("landmark engine", LANDMARKERS, name, weights=settings.landmark_weights)
    )
