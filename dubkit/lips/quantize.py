"""int8 weights for the engine 'openvino': made once, with the loss in picture measured on faces that it did not see.

Post-training quantization by NNCF (weights and activations in 8 bits, ranges from real faces and their voices). The last
layer stays in fp32; where the result is below ``FLOOR_DB`` the blocks before it join it, from the picture inwards, for
errors there go straight into pixels.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file

from dubkit.errors import EngineUnavailable, InputError
from dubkit.lips import checkpoint
from dubkit.lips.models.loading import META_SCHEMA, file_digest, meta_path

if TYPE_CHECKING:
    import openvino

FLOOR_DB = 33.0
"""Peak signal-to-noise ratio against fp32 in the painted half, below which int8 should not be used."""

KEPT = (  # patterns of layer names that stay in fp32, tried in this order
    [".*output_block[./]1.*"],
    [".*output_block.*"],
    [".*output_block.*", ".*face_decoder_blocks[./]6.*"],
    [".*output_block.*", ".*face_decoder_blocks[./][56].*"],
)


def quantize(
    name: str, windows: np.ndarray, crops: np.ndarray, references: np.ndarray, target: Path
) -> dict[str, object]:
    """Writes ``target`` (safetensors with an OpenVINO network) and its meta.json → what the meta.json says.

    ``windows`` (N, 1, 80, 16), ``crops`` and ``references`` (N, S, S, 3) uint8 RGB are real faces with their voice, at least
    16; every fourth is held back to measure. Raises InputError for fewer, EngineUnavailable without NNCF, WeightsError.
    """
    if len(crops) < 16:
        raise InputError(
            f"16 faces are needed to quantize and to measure, got {len(crops)}; give a film with a longer face"
        )
    try:
        import nncf  # noqa: F401 - asked for before the work begins
        import openvino

        from dubkit.lips.openvino import Compiled, converted, network_input
    except ImportError as error:
        raise EngineUnavailable(
            "quantize", f"the package '{error.name}' is missing", "pip install openvino nncf"
        ) from error
    network, facts = checkpoint.load_generator(name)
    whole, size = converted(network), network.config.size
    held = np.arange(len(crops)) % 4 == 0
    used = np.flatnonzero(~held)
    samples = [
        {"mel": windows[i : i + 1], "faces": network_input(crops[i : i + 1], references[i : i + 1])} for i in used
    ]
    truth = Compiled(whole, size, 8, "fp32")
    for kept in KEPT:
        made = int8(whole, samples, kept)
        loss = picture_loss(truth, Compiled(made, size, 8, "int8"), windows[held], crops[held], references[held])
        if loss >= FLOOR_DB:
            break
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(made, Path(folder) / "model.xml", compress_to_fp16=False)
        parts = {part: (Path(folder) / part).read_bytes() for part in ("model.xml", "model.bin")}
    state = {part: torch.frombuffer(bytearray(content), dtype=torch.uint8) for part, content in parts.items()}
    header = {"architecture": checkpoint.INT8, "config": network.config.to_dict()}
    save_file(state, target, metadata={"dubkit": json.dumps(header)})
    meta = {
        "schema": META_SCHEMA, **header, "digest": file_digest(target), "kind": "generator", "name": target.stem,
        "licence": facts["licence"], "source": f"int8 of {facts['weights']} ({facts['weights_digest']})",
        "note": f"int8 by NNCF, {loss:.1f} dB against fp32 in the painted half on {int(held.sum())} faces; in fp32: {', '.join(kept)}",
        "psnr_db": round(loss, 2),
    }  # fmt: skip
    meta_path(target).write_text(json.dumps(meta, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return meta


def int8(model: openvino.Model, samples: list[dict[str, np.ndarray]], kept: list[str]) -> openvino.Model:
    """``model`` with 8-bit weights and activations but for the layers named by the patterns ``kept``."""
    import nncf

    scope = nncf.IgnoredScope(patterns=kept, validate=False)
    return nncf.quantize(model, nncf.Dataset(samples), subset_size=len(samples), ignored_scope=scope)


def picture_loss(truth, made, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> float:
    """PSNR in dB of one network's paint against another's, over all pixels of the lower halves."""
    squares = [
        np.square(made(*batch) - truth(*batch)).mean(axis=(1, 2, 3))
        for batch in ((windows[i : i + 8], crops[i : i + 8], references[i : i + 8]) for i in range(0, len(crops), 8))
    ]
    return float(10 * np.log10(1 / max(float(np.concatenate(squares).mean()), 1e-20)))
