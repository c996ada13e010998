"""The engine: frames out are frames in, batches across jobs, memory, bad input."""

import threading

import numpy as np
import pytest
from lips_film import YUV422_10, MemoryFilm, job, landmarks, run, silence
from lips_painters import ColourPainter, LoudnessPainter

from dubkit.errors import DubkitError, InputError
from dubkit.types import FaceTrack


def test_every_frame_of_every_job_comes_out_once_and_in_order():
    film = MemoryFilm(60)
    other = film.track(20, 60, id="s0000f01")
    jobs = [job(5, 33), job(25, 60, "b", "s0000f01"), job(40, 41, "c")]
    results = run(film, jobs, [film.track(), other], ColourPainter())
    assert {k: r.frames.tolist() for k, r in results.items()} == {
        "a": list(range(5, 33)), "b": list(range(25, 60)), "c": [40]}  # fmt: skip
    assert film.was_read == list(range(5, 60))  # one pass, each frame once
    for result in results.values():
        assert (result.crops[:, 60:] != 0).any(axis=(1, 2, 3)).all()
        assert result.alpha.tolist() == [1.0] * len(result.frames)


def test_film_between_distant_jobs_is_not_read():
    film = MemoryFilm(60)
    run(film, [job(0, 5), job(50, 55, "b")], [film.track()], ColourPainter())
    assert film.was_read == [*range(0, 5), *range(50, 55)]


def test_batches_go_across_jobs():
    film, paint = MemoryFilm(30), ColourPainter(batch=8)
    run(film, [job(0, 5), job(10, 15, "b"), job(20, 25, "c")], [film.track()], paint)
    assert paint.batches == [8, 7]


def test_out_of_memory_halves_the_batch_and_goes_on():
    film, paint = MemoryFilm(30), ColourPainter(limit=3, batch=16)
    results = run(film, [job(0, 20)], [film.track()], paint)
    assert paint.batches[:4] == [16, 8, 4, 2] and max(paint.batches[3:]) == 2
    assert len(results["a"].frames) == 20
    with pytest.raises(DubkitError, match="not enough memory"):
        run(film, [job(0, 20)], [film.track()], ColourPainter(limit=0))


def test_lips_follow_the_voice_of_their_own_time():
    def speech(speaker, segment):
        assert speaker == "ann"
        t = segment.start + np.arange(round(segment.duration * 16000)) / 16000
        return np.where((t >= 1) & (t < 1.5), np.sin(2 * np.pi * 200 * t), 0).astype(np.float32)

    film = MemoryFilm(60)
    settings = dict(match_color=False)
    result = run(film, [job(0, 60)], [film.track()], LoudnessPainter(), speech, **settings)["a"]
    level = result.crops[:, 70, 48].mean(axis=1)
    spoken = np.flatnonzero(level > level.min() + 10)
    assert 20 <= spoken[0] <= 24 and 36 <= spoken[-1] <= 39  # windows reach 40 ms back and 160 ms ahead


def test_one_job_alone_gives_the_same_pixels_as_among_others():
    film = MemoryFilm(60)
    alone = run(film, [job(7, 20)], [film.track()], LoudnessPainter())["a"]
    among = run(film, [job(7, 20), job(10, 60, "b")], [film.track()], LoudnessPainter(batch=5))["a"]
    assert alone.to_bytes() == among.to_bytes()


def test_job_across_a_cut_is_refused():
    film = MemoryFilm(60)
    with pytest.raises(InputError, match="must not cross a cut"):
        run(film, [job(10, 40)], [film.track(0, 30)], ColourPainter())
    with pytest.raises(InputError, match="does not exist"):
        run(film, [job(10, 40, track="nobody")], [film.track()], ColourPainter())


def test_film_shorter_than_its_jobs_is_said():
    with pytest.raises(InputError, match="ended 10 frames before"):
        run(MemoryFilm(30), [job(0, 40)], [MemoryFilm(40).track()], ColourPainter())


def test_voice_that_is_not_numbers_is_named_with_its_time():
    def broken(speaker, segment):
        samples = silence(speaker, segment)
        samples[round((0.5 - segment.start) * 16000)] = np.nan
        return samples

    film = MemoryFilm(30)
    with pytest.raises(InputError, match=r"'ann' is not a number at 0\.500 s"):
        run(film, [job(0, 30)], [film.track()], ColourPainter(), broken)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 60.0])
def test_voice_shorter_or_longer_than_the_frames(seconds):
    film = MemoryFilm(30)
    voice = lambda speaker, segment: np.zeros(int(seconds * 16000), np.float32)  # noqa: E731
    assert len(run(film, [job(0, 30)], [film.track()], ColourPainter(), voice)["a"].frames) == 30


@pytest.mark.parametrize("size", [(321, 241), (97, 75)])
def test_odd_sizes_deep_sources_and_boxes_outside_the_picture(size):
    film = MemoryFilm(20, size, YUV422_10)
    track = film.track()
    boxes = track.boxes.copy()
    boxes[:, :] += np.linspace(-400, 400, 20, dtype=np.float32)[:, None]
    track = FaceTrack(track.id, 0, track.frames, boxes, track.scores, track.observed)
    assert len(run(film, [job(0, 20)], [track], ColourPainter())["a"].frames) == 20


def test_gated_frames_are_not_painted_and_are_reported():
    film, paint = MemoryFilm(40), ColourPainter()
    track = film.track()
    marks = landmarks(track)
    marks[20:30] = landmarks(track, yaw=75)[20:30]
    track = FaceTrack(track.id, 0, track.frames, track.boxes, track.scores, track.observed, marks)
    result = run(film, [job(0, 40)], [track], paint, crossfade=2)["a"]
    assert (result.alpha[22:28] == 0).all() and (result.alpha[:15] == 1).all() and (result.alpha[35:] == 1).all()
    assert sum(paint.batches) < 40
    assert any("turned by more than 55 degrees" in note for note in result.notes)


@pytest.mark.parametrize("size", [144, 288])
def test_other_crop_sizes(size):
    film = MemoryFilm(6)
    result = run(film, [job(0, 6)], [film.track()], ColourPainter(size, batch=4))["a"]
    assert result.crops.shape == (6, size, size, 3) and len(result.changed) == 6


def test_what_a_job_cost_and_gained_is_told():
    film = MemoryFilm(12)
    result = run(film, [job(0, 12)], [film.track()], ColourPainter())["a"]
    stats = result.stats
    assert stats["frames_changed"] == 12 and result.seconds > 0
    assert -1 <= stats["sync_before"] <= 1 and -1 <= stats["sync_after"] <= 1 and "expert" in stats["sync_judge"]
    face = 100 * 120 * 1.06  # of the drawn film, pixels
    assert 0.15 * face < stats["mask_pixels"] < 0.45 * face


def test_the_film_is_decoded_while_faces_are_painted():
    class Painter(ColourPainter):
        def generate(self, windows, crops, references):
            assert film.further.wait(20), "nothing is decoded while a batch is painted"
            return super().generate(windows, crops, references)

    class Film(MemoryFilm):
        further = threading.Event()

        def read(self, frames):
            for frame in super().read(frames):
                if frame.index == 8:  # the first batch is full with frame 5
                    self.further.set()
                yield frame

    film = Film(12)
    results = run(film, [job(0, 6), job(6, 12, "b")], [film.track()], Painter(batch=6))
    assert sorted(results) == ["a", "b"]
