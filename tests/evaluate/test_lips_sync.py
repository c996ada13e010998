"""LSE-D, LSE-C, AV offset and MFCC against the public code's numbers, and cases worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dubkit.errors import EngineUnavailable, InputError
from dubkit.evaluate.mfcc import mfcc
from dubkit.evaluate.pictures import fid, psnr, ssim
from dubkit.evaluate.sync import (
    distances,
    in_and_out_accuracy,
    inner_curve,
    joined,
    share_out_of_sync,
    sync_curve,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "wav2lip_reference.npz"


def test_curve_and_scores_equal_the_public_code():
    golden = np.load(GOLDEN)
    curve = sync_curve(golden["lse_face"], golden["lse_voice"])
    assert np.abs(curve.distances - golden["lse_curve"]).max() < 1e-5
    score = curve.score
    assert [score.distance, score.confidence, score.offset_frames] == pytest.approx(golden["lse"].tolist(), abs=1e-5)


def test_mfcc_equal_the_public_package():
    golden = np.load(GOLDEN)
    ours = mfcc(golden["audio"].astype(np.float32) / 32768)
    assert ours.shape == golden["mfcc"].shape and np.abs(ours - golden["mfcc"]).max() < 2e-3


def test_a_voice_that_comes_late_has_a_negative_offset():
    face = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    for late in (-5, 0, 4):
        assert sync_curve(face, np.roll(face, late, axis=0)).score.offset_frames == -late


def test_distances_by_hand():
    face, voice = np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]])
    table = distances(face, voice)
    assert table.shape == (1, 31) and table[0, 15] == pytest.approx(5.0, abs=1e-5)


def test_inner_curve_uses_real_pairs_only():
    face = np.eye(4)
    curve = inner_curve(face, np.roll(face, 1, axis=0), most=5)
    assert curve[5] == 0 and curve[6] == 1  # the voice of one window later is this mouth's
    assert np.isnan(curve[[0, 1, -1, -2]]).all() and np.isfinite(curve[2:9]).all()


def test_accuracy_is_one_for_a_perfect_judge_and_half_for_a_blind_one():
    face = np.eye(12)
    assert in_and_out_accuracy(face, face) == 1
    assert in_and_out_accuracy(np.ones((12, 4)), np.ones((12, 4))) == 0.5
    with pytest.raises(InputError, match="4 windows"):
        in_and_out_accuracy(np.eye(4), np.eye(4))


def test_without_zeros_only_real_pairs_count():
    face = np.eye(4)[:3]
    curve = sync_curve(face, np.eye(4)[[3, 0, 1]], zeros_past_ends=False)
    assert curve.distances[16] == pytest.approx(0, abs=1e-5)  # the voice one window later, both pairs
    assert curve.distances[15] == pytest.approx(2**0.5, abs=1e-4)
    assert np.isnan(curve.distances[[0, 12, 18, 30]]).all() and curve.score.offset_frames == -1


def test_joined_weighs_clips_by_their_windows():
    one, three = (
        sync_curve(np.zeros((1, 2)), np.array([[3.0, 4]]), False),
        sync_curve(np.zeros((3, 2)), np.zeros((3, 2)), False),
    )
    both = joined([one, three])
    assert both.windows == 4 and both.distances[15] == pytest.approx(5 / 4, abs=1e-4)
    assert both.distances[16] == pytest.approx(0, abs=1e-4) and np.isnan(both.distances[0])


def test_share_out_of_sync():
    face = np.random.default_rng(1).normal(size=(60, 8))
    good, bad = sync_curve(face, face), sync_curve(face, np.roll(face, 6, axis=0))
    assert share_out_of_sync([good, good, bad, good]) == 0.25
    with pytest.raises(InputError):
        share_out_of_sync([])


def test_picture_measures():
    a = np.full((16, 16, 3), 100, np.uint8)
    assert psnr(a, a) == float("inf") and ssim(a, a) == 1
    assert psnr(a, a + np.uint8(5)) == pytest.approx(10 * np.log10(255**2 / 25))
    with pytest.raises(InputError, match="one shape"):
        psnr(a, a[:8])
    with pytest.raises(EngineUnavailable, match="Inception"):
        fid([a], [a], None)
