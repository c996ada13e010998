"""Libav's messages stay off whatever other packages set: with them on, closing a film can wait for ever."""

import av

from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from tests.media.recipes import make_film


def test_opening_a_film_switches_messages_off(tmp_path):
    path = make_film(tmp_path / "film.mp4", frames=3)
    av.logging.set_level(av.logging.ERROR)  # as torchvision does
    media = probe(path)
    assert av.logging.get_level() is None
    av.logging.set_level(av.logging.ERROR)
    with FrameReader(media) as reader:
        assert len(list(reader.read())) == 3
    assert av.logging.get_level() is None
