"""Which weights ``lips.weights`` means, and what is known about them. No torch here: planning asks for the digest alone."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.errors import WeightsError
from dubkit.weights import describe, resolve

if TYPE_CHECKING:
    from dubkit.lips.models.wav2lip import Wav2Lip
    from dubkit.settings import LipsSettings

_TOLD = ("note", "limits", "steps", "data")  # of the meta.json beside the weights, for the report


def weights_digest(name: str) -> str:
    """``sha256:…`` of the weight file that ``lips.weights`` means. Raises WeightsError."""
    return str(_facts(resolve(name))["weights_digest"])


def network_digests(settings: LipsSettings) -> dict[str, str]:
    """Name → digest of every network that the lips of these settings go through. Raises WeightsError."""
    found = {settings.weights: weights_digest(settings.weights)}
    if settings.restorer is not None:
        path = Path(settings.restorer).expanduser()
        if not path.is_file():
            raise WeightsError(
                f"there is no face restorer at {path}; give an ONNX file in lips.restorer, or leave it empty"
            )
        found[settings.restorer] = str(_facts(path)["weights_digest"])
    return found


def load_generator(name: str) -> tuple[Wav2Lip, dict[str, object]]:
    """The network in eval mode and its facts for the report: name, digest, licence, source and how it was trained.

    Raises WeightsError for a file that is absent, of another network, or not the one that its meta.json describes.
    """
    from dubkit.lips.models import loading

    path = resolve(name)
    loading.read_meta(path)
    return loading.load_generator(path), facts(path)


def facts(path: Path) -> dict[str, object]:
    """What is known about a weight file, for the report: name, digest, licence, source and how it was trained."""
    return dict(_facts(path))


def _facts(path: Path) -> dict[str, object]:
    status = path.stat()
    return _read_facts(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _read_facts(path: Path, size: int, modified: int) -> dict[str, object]:
    found = describe(path)
    facts = {"weights": found["name"], "weights_digest": found["digest"], "licence": found["licence"],
             "source": found["source"]}  # fmt: skip
    beside = path.with_suffix(".meta.json")
    if beside.is_file():
        meta = json.loads(beside.read_text(encoding="utf-8"))
        facts |= {key: meta[key] for key in _TOLD if key in meta}
    return facts
