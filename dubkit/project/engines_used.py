"""Engines and weights that the faces and the cast of a film depend on: what "auto" comes to here, and digests of files."""

from __future__ import annotations

from pathlib import Path

from dubkit.digest import file_digest
from dubkit.settings import Settings


def face_engines(settings: Settings) -> dict[str, str]:
    """What ``faces.identity`` and ``faces.landmarks`` come to, and the digest of every weight file that is named."""
    from dubkit.faces.embed import identity_in_use
    from dubkit.faces.landmarks import fan_weights, landmarks_in_use

    faces = settings.faces
    found = {"identity": identity_in_use(faces), "landmarks": landmarks_in_use(faces)}
    paths = {"detector_weights": faces.detector_weights, "identity_weights": faces.identity_weights}
    if found["landmarks"] == "fan":
        paths["landmark_weights"] = faces.landmark_weights or str(fan_weights())
    return found | _digests(paths)


def speaking_weights(settings: Settings) -> dict[str, str]:
    """The digest of the weights of ``cast.speaking``: the named file, and the bundled expert where ``sync`` uses it."""
    from dubkit.weights import BUNDLED

    names = settings.cast.speaking.split("+")
    paths = {"speaking_weights": settings.cast.speaking_weights}
    if "sync" in names and ("lr-asd" in names or not settings.cast.speaking_weights):
        paths["expert"] = str(BUNDLED / "dubkit-expert-small.safetensors")
    return _digests(paths)


def _digests(paths: dict[str, str | None]) -> dict[str, str]:
    """A file that is not there yet is the engine's to complain about."""
    return {name: file_digest(Path(path)) if Path(path).is_file() else "absent" for name, path in paths.items() if path}
