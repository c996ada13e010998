"""``dubkit train``: a weight file and its facts from one command, and no package beyond those of a lent GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from dubkit.cli.train import app
from dubkit.errors import SettingsError
from dubkit.lips.models.loading import file_digest, load_expert, load_speaker, read_meta
from dubkit.train.packed import pack
from tests.train.tiny import made_up_shards

ABSENT = (
    "pydantic",
    "av",
    "tomlkit",
    "platformdirs",
    "pysubs2",
    "soundfile",
    "soxr",
    "ffmpeg",
    "pyloudnorm",
    "imageio_ffmpeg",
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    torch.set_num_threads(1)
    return made_up_shards(tmp_path_factory.mktemp("shards"))


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_expert_from_one_command(shards, tmp_path):
    words = ("expert", shards, tmp_path / "judge", "--steps", 2, "--set", "clips=2", "--set", "windows=4")
    assert "weights:" in run(*words)
    path = tmp_path / "judge" / "judge.safetensors"
    load_expert(path)
    meta = read_meta(path)
    assert meta["steps"] == 2 and meta["licence"] == "unknown" and meta["data"] == "made-up: 2 people, 0.1 minutes"
    assert meta["settings"]["windows"] == 4 and "accuracy_made-up" in meta["held_out_scores"]
    assert meta["losses"] and meta["digest"] == file_digest(path)
    assert meta["data_digest"] == file_digest(shards / "shards.json") and meta["seconds"] > 0
    lines = (tmp_path / "judge" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1]
    run(*words)  # nothing left to do
    assert (tmp_path / "judge" / "metrics.jsonl").read_text().splitlines() == lines


def test_the_paper_s_chain_from_three_commands(shards, tmp_path):
    """Official expert with its cosine loss, Wav2Lip without and with the discriminator, the public schedule of the sync loss."""
    small = ("--steps", 1, "--set", "clips=2")
    run("expert", shards, tmp_path / "expert", *small, "--set", "windows=4", "--set", "network=official", "--set", "width=2", "--set", "bce_share=1")  # fmt: skip
    judge = tmp_path / "expert" / "expert.safetensors"
    paper = ("--expert", judge, "--set", "frames=5", "--set", "sync_loss=cosine", "--set", "sync_below=0.75", "--set", "mouth=1")  # fmt: skip
    run("generator", shards, tmp_path / "lips", *small, *paper, "--set", "sync_weight=0.01", "--width", 2)
    start = tmp_path / "lips" / "lips.safetensors"
    run("gan", shards, tmp_path / "gan", *small, *paper, "--set", "sync_weight=0.03", "--start-from", start, "--discriminator", 2)  # fmt: skip
    meta = read_meta(tmp_path / "gan" / "gan.safetensors")
    assert meta["started_from"] == file_digest(start) and "visual-quality discriminator, weight 0.07" in meta["losses"]
    assert "-log of the expert's cosine, weight 0.03, once it is below 0.75 on held-out people" in meta["losses"]


def test_speech2vid_in_bf16_with_accumulation(shards, tmp_path):
    run("speech2vid", shards, tmp_path / "s2v", "--steps", 1, "--set", "clips=2", "--set", "width=2", "--bf16", "--accumulate", 2)  # fmt: skip
    assert load_speaker(tmp_path / "s2v" / "s2v.safetensors").config.width == 2


def test_a_wrong_setting_is_named(shards, tmp_path):
    with pytest.raises(SettingsError, match="--set clip=3: this run has the settings average, bce_share, clips"):
        run("expert", shards, tmp_path / "x", "--set", "clip=3")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="the recipe is a bash script")
def test_the_recipe_for_a_lent_gpu_runs_dry(tmp_path):
    """All three parts on packed shards, on the processor, a step each; at most 8 files of 16 MiB come back from a part."""
    shards = made_up_shards(tmp_path / "whole", people=4, held_out=2)
    listing = json.loads((shards / "shards.json").read_text())
    for entry, name in zip(listing["shards"], ("lrcar", "grid", "lrcar", "grid"), strict=True):
        entry["set"] = name
    (shards / "shards.json").write_text(json.dumps(listing))
    packed = pack(shards, tmp_path / "packed").parent
    root = Path(__file__).parents[2]
    here = os.environ | {
        "DRY_RUN": "1",
        "PYTHON": sys.executable,
        "RUNS": str(tmp_path / "runs"),
        "OMP_NUM_THREADS": "1",
    }
    for part in "123":
        out = tmp_path / f"out{part}"
        words = ["bash", "bench/train_on_gpu.sh", part, packed, out, tmp_path / "weights"]
        done = subprocess.run([str(w) for w in words], cwd=root, env=here, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        files = list(out.iterdir())
        assert len(files) <= 8 and max(file.stat().st_size for file in files) < 16 * 2**20
        (tmp_path / "weights").mkdir(exist_ok=True)
        for file in files:
            shutil.copy(file, tmp_path / "weights")
    assert json.loads((tmp_path / "weights" / "tables.json").read_text())["sync"]["LipGAN"]


def test_it_needs_no_package_that_a_lent_gpu_lacks():
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ImportError("absent here: " + name)
sys.meta_path.insert(0, Absent())
import dubkit.cli.train, dubkit.train.expert, dubkit.train.generator, dubkit.train.gan, dubkit.train.lipgan
import dubkit.train.speech2vid, dubkit.train.syncnet, dubkit.train.export, dubkit.train.tables, dubkit.train.strips
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
