"""The GPU bench runs to its end on a machine without a GPU, on a network of almost no width."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_pixels import LEVELS, PSNR

BENCH = Path(__file__).parents[2] / "bench" / "lips_gpu.py"


@pytest.mark.slow
def test_it_prints_rates_roofline_and_limit():
    tiny = ["--width", "2", "--batch", "2", "--batches", "1", "2", "--seconds", "0.01"]
    done = subprocess.run([sys.executable, BENCH, *tiny], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["network_frames_s_batch_2"] > 0 and found["share_of_roofline_batch_2"] > 0
    assert found["bytes_in_bytes_out_frames_s"] > 0 and found["limit"] and found["roofline_frames_s"] > 0
    assert found["crops_s_opencv"] > 0 and found["pastes_s_torch_on_cpu"] > 0
    assert found["crop_levels_apart"] <= LEVELS and found["paste_psnr_db"] >= PSNR
