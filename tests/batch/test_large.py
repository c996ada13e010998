"""A catalogue of 10,000 titles in 20 languages: what is planned, what runs first, and the memory it takes. Times are
``bench/batch.py large``."""

import multiprocessing
import os

import pytest

from tests.fakes.instant_engine import LANGUAGES, run_instantly, write_large

pytestmark = pytest.mark.skipif(os.name == "nt", reason="peak memory is asked of POSIX")


def in_a_process_of_its_own(path, most):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run_instantly, (path, most))


@pytest.mark.parametrize(
    ("titles", "languages"),
    [(100, 3), pytest.param(10_000, 20, marks=pytest.mark.slow)],
    ids=["small", "large"],
)
def test_planned_begun_and_gone_on_with(tmp_path, titles, languages):
    path = write_large(tmp_path, titles, LANGUAGES[:languages])
    tasks = 5 + 4 * languages  # of one title
    found = in_a_process_of_its_own(path, 10 * tasks)
    done = 10 * languages
    assert found["ended"] == 10 * tasks
    assert found["counts"] == {"done": done, "running": 0, "waiting": titles * languages - done, "failed": 0}
    assert found["left"] == titles - 10, "a title that is under way is finished before a new one begins"
    assert found["mib"] < 1024

    path.write_text(path.read_text() + '[[title]]\ntitle = "late"\nfilm = "film.mp4"\ntarget.es.dialogue = "es.flac"\n')
    found = in_a_process_of_its_own(path, tasks)
    assert found["counts"]["done"] == done + languages, "it goes on and does not begin again"
    assert found["left"] == titles - 10
    assert found["mib"] < 1024
