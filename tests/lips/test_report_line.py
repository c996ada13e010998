"""What the report says of a job: frames changed, mask area, time, engine, weights with digest and licence, sync before and after."""

from lips_film import MemoryFilm, job, run

from dubkit.lips.base import generator
from dubkit.review.report import _job_table
from dubkit.settings import LipsSettings


def test_a_job_of_the_bundled_generator_tells_everything():
    film = MemoryFilm(8)
    result = run(film, [job(0, 8)], [film.track()], generator(LipsSettings(device="cpu", precision="fp32")))["a"]
    stats = {**result.stats, "seconds": result.seconds, "frames": [0, 8], "notes": list(result.notes)}
    page = _job_table([stats])
    for told in ("wav2lip, fp32", "dubkit-96-small", stats["weights_digest"], stats["licence"].split(";")[0][:20],
                 f"{stats['mask_pixels']} px", f"{result.seconds:.1f} s", f'"n">{len(result.changed)}<',
                 f"{stats['sync_before']:.2f}, {stats['sync_after']:.2f}", "dubkit-expert-small"):  # fmt: skip
        assert told in page, told
    assert stats["weights_digest"].startswith("sha256:") and len(result.changed) == 8
