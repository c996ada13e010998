"""Weights in and out: official Wav2Lip checkpoints, dubkit's own safetensors, and a named error for anything else.

``torch.load`` runs with ``weights_only``: a checkpoint is data, never code. Our own files are fp16 safetensors whose
header carries the architecture, with the same facts and more (data, steps, licence, digest) in ``NAME.meta.json``
beside them.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dubkit.errors import WeightsError
from dubkit.lips.models.expert import ExpertConfig, LipSyncExpert
from dubkit.lips.models.small_expert import SmallExpert, SmallExpertConfig
from dubkit.lips.models.speech2vid import Speech2Vid
from dubkit.lips.models.syncnet import SyncNet
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig

ARCHITECTURES: dict[str, Callable[[dict], nn.Module]] = {
    "wav2lip": lambda config: Wav2Lip(Wav2LipConfig(**config)),
    "expert": lambda config: LipSyncExpert(ExpertConfig(**config)),
    "small-expert": lambda config: SmallExpert(SmallExpertConfig(**config)),
    "speech2vid": lambda config: Speech2Vid(**config),
    "syncnet": lambda config: SyncNet(**config),
}
META_SCHEMA = "dubkit.weights/1"
PACKAGE_WEIGHTS = Path(__file__).parent.parent / "weights"
BUNDLED_GENERATOR = PACKAGE_WEIGHTS / "dubkit-96-small.safetensors"
BUNDLED_EXPERT = PACKAGE_WEIGHTS / "dubkit-expert-small.safetensors"


def load_generator(path: Path = BUNDLED_GENERATOR) -> Wav2Lip:
    """A Wav2Lip generator in eval mode, fp32 on the CPU: ours, ``wav2lip.pth`` or ``wav2lip_gan.pth``.
    Raises WeightsError."""
    return _load(path, ("wav2lip",))


def load_expert(path: Path = BUNDLED_EXPERT) -> LipSyncExpert | SmallExpert:
    """A lip-sync expert in eval mode, fp32 on the CPU: the bundled small one, or one of the official design such as
    ``lipsync_expert.pth``. Both have ``voice`` and ``mouth``. Raises WeightsError."""
    return _load(path, ("expert", "small-expert"))


def load_speaker(path: Path) -> Wav2Lip | Speech2Vid:
    """Whatever makes a face speak: a Wav2Lip generator (also one trained as LipGAN) or Speech2Vid. Raises WeightsError."""
    return _load(path, ("wav2lip", "speech2vid"))


def read_state(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Any weight file → its tensors, without wrappers and ``module.`` prefixes, and what its header says.

    Understands safetensors, ``{"state_dict": …}`` with optimizer entries beside it, and bare state dicts.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weight file at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("dubkit", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 - it has no __iter__
    except SafetensorError:
        pass  # not ours; PyTorch's own format is next
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path.name} is not a weight file that can be read safely ({_first_line(error)}); expected safetensors or a "
            "PyTorch checkpoint of plain tensors. An HTML page saved under this name is a common cause: download it again"
        ) from error
    state = saved.get("state_dict", saved) if isinstance(saved, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path.name} holds no state dict of tensors, so it is not a network's weights")
    return {name.removeprefix("module."): value for name, value in state.items()}, {}


def save_weights(model: nn.Module, architecture: str, path: Path, facts: dict) -> dict:
    """Write ``path`` (fp16 safetensors) and ``NAME.meta.json`` with ``facts`` → what the meta.json says.

    The same weights give the same bytes. ``facts`` should name data, steps, losses, licence and limits.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    config = model.config.to_dict()
    save_file(state, path, metadata={"dubkit": json.dumps({"architecture": architecture, "config": config})})
    meta = {
        "schema": META_SCHEMA,
        "architecture": architecture,
        "config": config,
        "digest": file_digest(path),
        "parameters": sum(p.numel() for p in model.parameters()),
        **facts,
    }
    meta_path(path).write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return meta


def meta_path(path: Path) -> Path:
    """``dubkit-96-small.safetensors`` → ``dubkit-96-small.meta.json``, beside it."""
    return path.with_suffix(".meta.json")


def read_meta(path: Path) -> dict | None:
    """What the meta.json beside a weight file says, or None. Raises WeightsError if it is about another file."""
    beside = meta_path(path)
    if not beside.is_file():
        return None
    meta = json.loads(beside.read_text(encoding="utf-8"))
    if meta.get("digest") != file_digest(path):
        raise WeightsError(
            f"{beside.name} describes other weights than {path.name}: the digests differ; fetch both again"
        )
    return meta


def file_digest(path: Path) -> str:
    """``sha256:…`` of the file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def _load(path: Path, wanted_kinds: tuple[str, ...]) -> nn.Module:
    state, header = read_state(path)
    architecture = header.get("architecture", wanted_kinds[0])  # an official file does not say
    if architecture not in wanted_kinds:
        raise WeightsError(f"{path.name} is a '{architecture}' network, expected '{wanted_kinds[0]}'")
    # no numbers are drawn that the file's replace; a small expert has a buffer of its own, which a "meta" device would lose
    with torch.device("cpu" if architecture == "small-expert" else "meta"), _NothingDrawn():
        model = ARCHITECTURES[architecture](header.get("config", {}))
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    shapes = [name for name in wanted if name in state and wanted[name].shape != state[name].shape]
    if missing or extra or shapes:
        raise WeightsError(
            f"{path.name} does not fit the '{architecture}' network: {_differences(missing, extra, shapes)}"
        )
    for name in list(state):  # one by one: never the whole network in both precisions
        state[name] = state[name].to(wanted[name].dtype)
    model.load_state_dict(state, assign=True)
    return model.eval()


class _NothingDrawn(TorchFunctionMode):
    """Networks are made without first numbers: on the "meta" device PyTorch would draw them in Python, for which it loads
    SymPy, 37 MB."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _differences(missing: list[str], extra: list[str], shapes: list[str]) -> str:
    parts = [("lacks", missing), ("has unknown", extra), ("has other shapes for", shapes)]
    return "; it ".join(
        f"{verb} {len(names)} entries, such as '{names[0]}'" for verb, names in parts if names
    )  # one example of each is enough to see which network it is


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:120]
