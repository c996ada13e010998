"""Smoothing of tracks: SciPy's numbers without SciPy's imports."""

import subprocess
import sys

import numpy as np
import pytest

from dubkit.faces.fill import gaussian, sliding_parabola


@pytest.mark.parametrize(("count", "window"), [(5, 5), (7, 5), (7, 7), (8, 7), (40, 7)])
def test_a_sliding_parabola_is_the_filter_of_savitzky_and_golay(count, window):
    signal = pytest.importorskip("scipy.signal")
    values = np.random.default_rng(0).normal(size=(count, 1, 2))
    expected = signal.savgol_filter(values, window, 2, axis=0)
    assert np.abs(sliding_parabola(values, window) - expected).max() < 1e-12


@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 5, 2), (200, 68, 2), (9, 0, 2)])
@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_a_gaussian_is_scipy_s(shape, sigma):
    ndimage = pytest.importorskip("scipy.ndimage")
    values = 100 * np.random.default_rng(0).normal(size=shape)
    expected = ndimage.gaussian_filter1d(values, sigma, axis=0, mode="nearest")
    found = gaussian(values, sigma)
    assert found.shape == expected.shape and np.allclose(found, expected, rtol=0, atol=1e-11)


def test_following_one_face_needs_no_scipy():
    asked = "import sys, dubkit.faces.track; print([m for m in sys.modules if m == 'scipy'])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout.strip() == "[]"
