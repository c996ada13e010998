"""Smoothing of tracks: SciPy's numbers without SciPy's imports."""

import subprocess
import sys

import numpy as np
import pytest

from dubkit.faces.fill import sliding_parabola


@pytest.mark.parametrize(("count", "window"), [(5, 5), (7, 5), (7, 7), (8, 7), (40, 7)])
def test_a_sliding_parabola_is_the_filter_of_savitzky_and_golay(count, window):
    signal = pytest.importorskip("scipy.signal")
    values = np.random.default_rng(0).normal(size=(count, 1, 2))
    expected = signal.savgol_filter(values, window, 2, axis=0)
    assert np.abs(sliding_parabola(values, window) - expected).max() < 1e-12


def test_following_one_face_needs_neither_signals_nor_optimisation():
    asked = "import sys, dubkit.faces.track; print([m for m in ('scipy.signal', 'scipy.optimize') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout.strip() == "[]"
