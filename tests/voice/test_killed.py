"""A dub that was killed goes on with the file or the walk over the film that it was at."""

from __future__ import annotations

from pathlib import Path

import pytest

from dubkit.settings import VoiceSettings
from dubkit.voice import output
from dubkit.voice.dub import DubSource, make_dub
from tests.fakes.killed import Dying
from tests.voice.conftest import SmallFilm, original_of


def sources(film: SmallFilm) -> dict[str, tuple[DubSource, VoiceSettings]]:
    """Stems beside an M&E, as loud as the original; and a finished track beside the original ducked, louder than the
    limiter lets it be at once: the files are written more than once."""
    stems = {who: film.write(f"{who}.wav", film.dialogue(3, who=[who])) for who in ("ana", "ben")}
    track, me = film.write("dub.wav", film.dialogue(4)), film.write("me.wav", film.effects())
    return {
        "stems": (DubSource("xx", stems=stems, background=me), VoiceSettings()),
        "track": (DubSource("xx", dialogue=track), VoiceSettings(loudness=-8.0, true_peak=-6.0)),
    }


def dubbed(film: SmallFilm, which: str, folder: Path, kept: Dying):
    source, settings = sources(film)[which]
    original, _, _ = original_of(film)
    made = make_dub(source, film.turns, film.lines, original, 10.0, folder, {}, settings, kept=kept)
    files = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return made.report, made.lines, files


@pytest.mark.parametrize("which", ["stems", "track"])
def test_nothing_is_made_twice_and_the_bytes_are_the_same(film: SmallFilm, which: str, tmp_path: Path) -> None:
    alone = Dying(None)
    report, lines, files = dubbed(film, which, tmp_path / "alone", alone)
    assert len(alone.made) == len(set(alone.made)) > 8
    assert any(name.startswith("2 ") for name in alone.made) == (which == "track")
    for left in range(1, len(alone.made), 2):
        folder, unfinished = tmp_path / f"killed {left}", tmp_path / f"unfinished {left}"
        first = Dying(unfinished, left)
        with pytest.raises(KeyboardInterrupt):
            dubbed(film, which, folder, first)
        again = Dying(unfinished)
        assert dubbed(film, which, folder, again) == (report, lines, files)
        assert first.made + again.made == alone.made


def test_a_file_that_somebody_deleted_is_written_again(film: SmallFilm, tmp_path: Path, monkeypatch) -> None:
    _, _, files = dubbed(film, "stems", tmp_path / "alone", Dying(None))
    with pytest.raises(KeyboardInterrupt):
        dubbed(film, "stems", tmp_path / "dub", Dying(tmp_path / "unfinished", 9))
    stems = sorted((tmp_path / "dub" / "stems").iterdir())
    stems[0].unlink()
    written, write = [], output.write_track
    monkeypatch.setattr(output, "write_track", lambda path, track: written.append(path) or write(path, track))
    _, _, again = dubbed(film, "stems", tmp_path / "dub", Dying(tmp_path / "unfinished"))
    assert again == files and stems[0] in written and stems[1] not in written
