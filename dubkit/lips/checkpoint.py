"""Which weights a setting means, and what is known about them. No torch here: planning asks for the digest alone."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.errors import WeightsError

if TYPE_CHECKING:
    from dubkit.lips.models.wav2lip import Wav2Lip

FOLDER = Path(__file__).parent / "weights"
BUNDLED = "dubkit-96-small"
UNKNOWN_LICENCE = "unknown (no meta.json beside the weights; the official Wav2Lip weights are for non-commercial use)"


def find(name: str) -> Path:
    """The weight file that ``lips.weights`` means: a path, or a name; "auto" is the bundled one. Raises WeightsError."""
    if name == "auto":
        name = BUNDLED
    bundled = FOLDER / f"{name}.safetensors"
    for path in (bundled, Path(name).expanduser()):
        if path.is_file():
            return path
    known = sorted(path.stem for path in FOLDER.glob("*-96-*.safetensors"))
    raise WeightsError(
        f"there are no lip weights '{name}': no file of that path, and bundled are: {', '.join(known) or 'none'}. Give a "
        "path (wav2lip.pth, wav2lip_gan.pth or a safetensors file of dubkit's) in lips.weights"
    )


def weights_digest(name: str) -> str:
    """SHA-256 of the weight file that ``lips.weights`` means, 64 hex digits. Raises WeightsError."""
    path = find(name)
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


def facts(path: Path) -> dict[str, object]:
    """For the report: name, digest, licence, and what the meta.json beside the weights says about their training."""
    known = {"weights": path.stem, "weights_digest": weights_digest(str(path)), "licence": UNKNOWN_LICENCE}
    beside = path.with_suffix(".meta.json")
    if beside.is_file():
        meta = json.loads(beside.read_text(encoding="utf-8"))
        known |= {key: meta[key] for key in ("licence", "note", "limits", "steps") if key in meta}
    return known


def load_generator(name: str) -> tuple[Wav2Lip, dict[str, object]]:
    """The network in eval mode and its facts. Raises WeightsError for a file that is absent or of another network."""
    from dubkit.lips.models import loading

    path = find(name)
    loading.read_meta(path)  # refuses a meta.json that is about other weights
    return loading.load_generator(path), facts(path)


@lru_cache(maxsize=16)
def _digest(path: Path, size: int, modified: int) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
