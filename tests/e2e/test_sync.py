"""Sound and picture through the whole pipeline, at every rate: each beep of the dub within one frame of its flash."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dubkit.media.audio import write_audio
from dubkit.media.packets import scan
from dubkit.media.probe import probe
from dubkit.project.pipeline import dub
from tests.media.recipes import SAMPLE_RATE, beeps, make_film, numbers
from tests.media.test_reader import RATES, vfr_times
from tests.media.whole_way import assert_in_sync

FRAMES, FLASHES = 120, [2, 60, 117]


def dubbed(folder, film, moments, length):
    """The film with beeps at ``moments`` (seconds) as its dub; nobody is seen, so no mouth is moved."""
    write_audio(folder / "es.flac", beeps(moments, length, seconds=0.4), SAMPLE_RATE)
    (folder / "turns.rttm").write_text(f"SPEAKER film 1 0.0 {length:.3f} <NA> <NA> ANA <NA> <NA>\n")
    (folder / "film.dub.toml").write_text(
        f'schema = "dubkit.project/1"\n[source]\nfilm = "{film.name}"\n[target.es]\ndialogue = "es.flac"\n'
        '[settings.speech]\ndiarization = "turns.rttm"\ntranscriber = "none"\n'
        '[settings.voice]\nbackground = "none"\nroom_tone = false\n[settings.render]\nspeed = "ultrafast"\n'
    )
    (outcome,) = dub(folder / "film.dub.toml")
    return probe(outcome.film)


@pytest.mark.parametrize("rate", [
    pytest.param(rate, id=f"{float(rate):.3f}", marks=() if rate == Fraction(24000, 1001) else pytest.mark.slow)
    for rate in RATES
])  # fmt: skip
def test_a_dub_stays_in_sync_from_start_to_end(tmp_path, rate):
    film = make_film(tmp_path / "film.mp4", rate=rate, frames=FRAMES, flashes=FLASHES)
    result = dubbed(tmp_path, film, [float(n / Fraction(rate)) for n in FLASHES], float(FRAMES / Fraction(rate)))
    assert (result.video.rate, result.video.num_frames) == (rate, FRAMES)
    index = scan(result.path)
    assert all(Fraction(int(pts)) * index.time_base == n / Fraction(rate) for n, pts in enumerate(index.pts))
    assert numbers(result) == list(range(FRAMES))
    assert_in_sync(result, FLASHES)


def test_a_dub_of_a_variable_rate_film_stays_in_sync(tmp_path):
    flashes, times = [3, 30, 57], vfr_times()
    film = make_film(tmp_path / "film.mp4", rate=30, times=times, flashes=flashes)
    source = probe(film)
    result = dubbed(tmp_path, film, [float(times[n]) for n in flashes], source.duration)
    assert not result.video.is_vfr and result.video.num_frames == source.video.num_frames
    assert numbers(result) == numbers(source)
    assert_in_sync(result, flashes)
