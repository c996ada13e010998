"""Reading the film: an ingest that was killed keeps the sound that it had written."""

import shutil
from fractions import Fraction

import pytest

from dubkit.media import audio
from dubkit.project import layers, pipeline, schema
from tests.fakes.films import make_film

PROJECT = """schema = "dubkit.project/1"
[source]
film = "film.mkv"
[target.es]
dialogue = "film.mkv"
"""


def ingested(folder):
    file = schema.load(folder / "film.dub.toml")
    settings, _ = layers.merged(file)
    pipeline.Pipeline(file, settings).run(until="ingest")
    made = (folder / "film.dubkit" / "ingest").iterdir()
    return {path.name: path.read_bytes() for path in made if path.name != "record.json"}  # which says how long it took


@pytest.mark.parametrize("killed", [1, 2])
def test_a_killed_ingest_reads_again_only_the_sound_that_it_was_at(tmp_path, monkeypatch, killed):
    film, read, extract = make_film(tmp_path / "film.mkv", Fraction(25), 60), [], audio.extract

    def counted(media, output, **how):
        if stop and len(read) == killed:
            raise KeyboardInterrupt
        read.append(output.name)
        extract(media, output, **how)

    def killed_at_last(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(audio, "extract", counted)
    for name in ("alone", "killed"):
        (tmp_path / name).mkdir()
        shutil.copy(film, tmp_path / name)
        (tmp_path / name / "film.dub.toml").write_text(PROJECT)
    stop = False
    alone = ingested(tmp_path / "alone")
    stop = True
    read.clear()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if killed == 2:  # when both are written, and the record is not
            patch.setattr(pipeline.Store, "finish", killed_at_last)
        ingested(tmp_path / "killed")
    stop = False
    read.clear()
    assert ingested(tmp_path / "killed") == alone
    assert read == ["analysis.flac", "original.flac"][killed:]
