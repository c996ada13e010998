"""Which weights ``lips.weights`` means, and what is known about them. No torch here: planning asks for the digest alone."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.errors import SettingsError, WeightsError
from dubkit.weights import SUFFIXES, describe, models_folder, resolve

if TYPE_CHECKING:
    from dubkit.lips.models.wav2lip import Wav2Lip
    from dubkit.settings import LipsSettings

INT8 = "wav2lip-openvino-int8"
"""The architecture that the header of a quantized file names."""

_TOLD = ("note", "limits", "steps", "data")  # of the meta.json beside the weights, for the report


def weights_digest(name: str) -> str:
    """``sha256:…`` of the weight file that ``lips.weights`` means. Raises WeightsError."""
    return str(_facts(resolve(name))["weights_digest"])


def check(settings: LipsSettings) -> None:
    """Engine, precision and weights must fit together; asked before any work begins. Raises SettingsError, WeightsError.

    int8 is never chosen by itself: it is a file of weights (``quantize.py``), and only the engine 'openvino' runs it.
    """
    path = resolve(settings.weights)
    quantized = architecture(path) == INT8
    if quantized and settings.engine != "openvino":
        raise SettingsError(
            f"lips.weights = '{settings.weights}' are int8, which the engine '{settings.engine}' cannot run; "
            "set lips.engine = 'openvino'"
        )
    if quantized and settings.precision not in ("auto", "int8"):
        raise SettingsError(
            f"lips.precision = '{settings.precision}', but lips.weights = '{settings.weights}' are int8; set "
            "lips.precision = 'auto', or name weights in full precision"
        )
    if settings.precision == "int8" and not quantized:
        small = f"{path.stem}-int8"
        made = any((models_folder() / f"{small}{suffix}").is_file() for suffix in SUFFIXES)
        first = "" if made else f"make them once with 'dubkit models quantize {settings.weights} --film FILM', then "
        raise SettingsError(
            f"lips.precision = 'int8' wants weights made for it, but lips.weights = '{settings.weights}' are in full "
            f"precision; {first}set lips.weights = '{small}' and lips.engine = 'openvino'"
        )


def architecture(path: Path) -> str | None:
    """What the header of one of dubkit's own weight files says that it is; None for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads((file.metadata() or {}).get("dubkit", "{}")).get("architecture")
    except (SafetensorError, OSError):
        return None


def network_digests(settings: LipsSettings) -> dict[str, str]:
    """Name → digest of every network that the lips of these settings go through. Raises WeightsError, and SettingsError as
    ``check`` does."""
    check(settings)
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
