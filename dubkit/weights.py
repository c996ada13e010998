"""Weights: what is known, what is here, where it came from, under which licence.

A weight is found in this order: a path; the folder ``$DUBKIT_MODELS``; the user's own folder (``models_folder``, filled
by ``add`` and ``fetch``); the data of a Python package (dubkit's own, or of an engine). Nothing is downloaded unless
``fetch`` is called.

"auto" for the lips means the generator that dubkit ships, because its licence is known and every film made with it may
be shown. The official Wav2Lip weights are better known but for research only: they are used when a person names them
(``lips.weights = "wav2lip_gan"``) or has said once ``dubkit models add wav2lip_gan.pth --default``, never because the
file happens to lie there.

Beside a weight file ``x.pth`` may lie ``x.meta.json`` with ``kind``, ``licence``, ``source`` and ``digest``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import platformdirs

from dubkit.errors import StorageError, WeightsError
from dubkit.files import atomic_write, replacing
from dubkit.known_weights import KNOWN, Known
from dubkit.progress import Progress, silent

SUFFIXES = (".safetensors", ".pth", ".pt", ".onnx", ".model", ".bin", ".ckpt", ".tar")
BUNDLED = Path(__file__).parent / "lips" / "weights"
_DEFAULT = "default-generator.txt"  # in the user's folder: the name that "auto" means
_TIMEOUT = 60  # seconds without a byte before a download is given up


@dataclass(frozen=True, slots=True)
class Weights:
    """A weight file that is on this machine."""

    name: str
    path: Path
    kind: str  # generator | expert | active speaker | detector | embedding | segmentation | speech | "unknown"
    licence: str
    source: str
    where: str  # "path" | "DUBKIT_MODELS" | "user" | "package"

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def models_folder() -> Path:
    """Where ``add`` and ``fetch`` put weights: ``$DUBKIT_MODELS``, else the user's data folder (not a cache: a file
    that was fetched by hand must survive a cleaning)."""
    chosen = os.environ.get("DUBKIT_MODELS")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("dubkit", appauthor=False) / "models"


def installed() -> list[Weights]:
    """Everything that can be named now, nearest first; a name that is in two places is the nearer one."""
    found: dict[str, Weights] = {}
    for folder, where in _folders():
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix in SUFFIXES and path.is_file():
                found.setdefault(path.stem, _weights(path, where))
    for known in KNOWN.values():
        path = known.packaged()
        if path is not None:
            found.setdefault(known.name, Weights(known.name, path, known.kind, known.licence, known.source, "package"))
    return list(found.values())


def resolve(name: str) -> Path:
    """The file that a name, a path or "auto" means. Raises WeightsError that says what is here and how to get more."""
    if name == "auto":
        name = default_generator()
    path = Path(name).expanduser()
    if path.suffix in SUFFIXES and path.is_file():
        return path
    here = installed()
    for weights in here:
        if name in (weights.name, weights.path.name):
            return weights.path
    known = KNOWN.get(name)
    listed = ", ".join(weights.name for weights in here) or "none"
    remedy = known.remedy() if known else "give the path of a file, or: dubkit models add FILE"
    raise WeightsError(f"there are no weights '{name}' on this machine (here are: {listed}). To get them: {remedy}")


def default_generator() -> str:
    """The name that "auto" means for the lips: a person's standing choice, else the one that dubkit ships."""
    chosen = models_folder() / _DEFAULT
    if chosen.is_file():
        return chosen.read_text("utf-8").strip()
    shipped = [w.name for w in installed() if w.where == "package" and w.kind == "generator"]
    if shipped:
        return shipped[0]
    raise WeightsError(
        "this dubkit was built without lip weights; give a file in lips.weights, or: dubkit models add FILE --default"
    )


def describe(path: Path) -> dict[str, object]:
    """Name, digest (``sha256:…`` of the file), licence, source and kind, for reports. JSON types."""
    weights = _weights(Path(path), "path")
    facts = {key: getattr(weights, key) for key in ("name", "kind", "licence", "source")}
    return facts | {"digest": file_sha256(weights.path), "size": weights.size}


def add(path: Path, name: str | None = None, licence: str | None = None, *, default: bool = False) -> Weights:
    """Copies a weight file into ``models_folder`` under ``name`` (else its own) and notes where it came from.

    ``default``: "auto" means it from now on. Raises WeightsError for what is not a weight file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise WeightsError(f"there is no file '{path}'")
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"'{path.name}' does not look like weights; they end in one of: {', '.join(SUFFIXES)}")
    name = name or path.stem
    if Path(name).name != name or name in ("auto", ".", ".."):
        raise WeightsError(f"'{name}' cannot be the name of weights; use letters, digits, '-' and '_'")
    known = _weights(path, "path")
    target = models_folder() / f"{name}{path.suffix}"
    if not (target.exists() and target.samefile(path)):
        with replacing(target) as temporary:
            shutil.copyfile(path, temporary)
    official = KNOWN.get(name)
    _write_meta(
        target,
        kind=official.kind if official else known.kind,
        licence=licence or (official.licence if official and known.kind == "unknown" else known.licence),
        source=f"added by hand from {path.name}" if known.source == "unknown" else known.source,
    )
    if default:
        atomic_write(models_folder() / _DEFAULT, name.encode())
    return _weights(target, "user")


def fetch(name: str, progress: Progress = silent) -> Weights:
    """Downloads known weights into ``models_folder``, checks them, and only then gives them their name.

    Raises WeightsError where there is no address (the message says how to get the file by hand) or the digest differs.
    """
    known = KNOWN.get(name)
    if known is None:
        raise WeightsError(f"there are no known weights '{name}'; known are: {', '.join(KNOWN)}")
    if known.url is None:
        raise WeightsError(f"'{name}' cannot be fetched automatically: {known.remedy()}")
    from urllib.error import URLError
    from urllib.request import urlopen

    target = models_folder() / f"{name}{Path(known.filename).suffix}"
    with replacing(target) as temporary:
        try:
            with urlopen(known.url, timeout=_TIMEOUT) as answer, temporary.open("wb") as file:
                total, done = int(answer.headers.get("Content-Length") or known.size or 0), 0
                while block := answer.read(1 << 20):
                    file.write(block)
                    done += len(block)
                    progress(done, max(total, done))
        except (URLError, TimeoutError, ConnectionError) as error:
            raise WeightsError(f"could not download {known.url}: {error}. By hand: dubkit models add FILE") from error
        if total and done != total:
            raise WeightsError(f"the download of '{name}' broke off after {done} of {total} bytes; run it again")
        _check(temporary, known)
    _write_meta(target, kind=known.kind, licence=known.licence, source=known.url)
    return _weights(target, "user")


def verify(name: str) -> str:
    """Compares a file with what is known about it; returns one sentence. Raises WeightsError where they differ."""
    path = resolve(name)
    known, meta = KNOWN.get(path.stem) or KNOWN.get(name), _meta(path)
    digest = file_sha256(path)
    if meta.get("digest") and meta["digest"] != digest:
        raise WeightsError(
            f"{path} has changed since it was added: it is {digest}, its meta.json says {meta['digest']}"
        )
    if known is not None and known.sha256:
        _check(path, known)
        return f"{path.name}: {digest}, as published"
    if meta.get("digest"):
        return f"{path.name}: {digest}, as when it was added; no published digest is known"
    return f"{path.name}: {digest}; nothing is known to compare it with"


def file_sha256(path: Path) -> str:
    """``sha256:`` and 64 hex digits of a file's content."""
    hasher = sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return f"sha256:{hasher.hexdigest()}"


def _folders() -> Iterator[tuple[Path, str]]:
    if os.environ.get("DUBKIT_MODELS"):
        yield models_folder(), "DUBKIT_MODELS"
    yield platformdirs.user_data_path("dubkit", appauthor=False) / "models", "user"
    yield BUNDLED, "package"


def _check(path: Path, known: Known) -> None:
    digest = file_sha256(path)
    if known.sha256 and not digest.removeprefix("sha256:").startswith(known.sha256):
        raise WeightsError(f"'{known.name}' is not the published file: it is {digest}, expected sha256:{known.sha256}")


def _weights(path: Path, where: str) -> Weights:
    meta, known = (
        _meta(path),
        KNOWN.get(path.stem) or next((k for k in KNOWN.values() if k.filename == path.name), None),
    )
    shipped = ("expert" if "expert" in path.stem else "generator") if where == "package" else "unknown"
    return Weights(
        name=path.stem,
        path=path,
        kind=meta.get("kind") or (known.kind if known else shipped),
        licence=meta.get("licence") or (known.licence if known else "unknown: ask whoever made the file"),
        source=meta.get("source") or (known.source if known else "unknown"),
        where=where,
    )


def _meta(path: Path) -> dict[str, str]:
    beside = path.with_suffix(".meta.json")
    if not beside.is_file():
        return {}
    try:
        return json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{beside} cannot be read as JSON: {error}; delete it or fetch the weights again") from error


def _write_meta(path: Path, **facts: str) -> None:
    try:
        text = json.dumps(facts | {"digest": file_sha256(path)}, indent=2)
    except OSError as error:
        raise StorageError(f"cannot read {path} back: {error}") from error
    atomic_write(path.with_suffix(".meta.json"), text.encode())
