"""Copied stretches: taken over packet by packet between encoded ones, and proven frame by frame; or a reason why not."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dubkit.errors import CopyRefused
from dubkit.media.copying import check_copied, closed_groups, copy_piece
from dubkit.media.h264 import PPS, SPS, kind, parameter_sets, units_of
from dubkit.media.mux import mux
from dubkit.media.packets import open_media
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.media.writer import FrameWriter
from dubkit.settings import RenderSettings
from dubkit.types import FrameRange
from tests.media.recipes import make_film, numbers

COPY = RenderSettings(copy_untouched=True, speed="ultrafast", quality=35)
GROUPS = {"preset": "medium", "crf": "16", "g": "12", "x264-params": "open-gop=0:scenecut=0"}


def mixed_film(media, folder, suffix, settings=COPY):
    """Groups 0 and 3 are encoded again, all others are copied."""
    groups = closed_groups(media, settings)
    pieces, copied = [], []
    with FrameReader(media) as reader:
        for number, frames in enumerate(groups):
            pieces.append(folder / f"{number}.nut")
            if number in (0, 3):
                with FrameWriter(pieces[-1], media.video, settings) as writer:
                    for frame in reader.read(frames):
                        writer.write(frame)
            else:
                copy_piece(media, frames, pieces[-1])
                copied.append(frames)
    output = folder / f"out{suffix}"
    mux(pieces, media, [], output, settings, copied=copied)
    return probe(output), copied


@pytest.mark.parametrize("source", [".mp4", ".mkv", ".mov", ".ts"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_copied_frames_are_the_sources_and_the_rest_is_encoded(tmp_path, source, suffix):
    rate = Fraction(24000, 1001)
    media = probe(make_film(tmp_path / f"film{source}", rate=rate, frames=70, options=GROUPS))
    film, copied = mixed_film(media, tmp_path, suffix)
    assert [len(frames) for frames in copied] == [12, 12, 12, 10]
    assert (film.video.rate, film.video.num_frames) == (rate, 70)
    assert numbers(film) == list(range(70))
    with FrameReader(media) as one, FrameReader(film) as two:
        same = [
            all(np.array_equal(a, b) for a, b in zip(old.planes, new.planes, strict=True))
            for old, new in zip(one.read(), two.read(), strict=True)
        ]
        assert [n for n in range(70) if same[n]] == [n for frames in copied for n in frames]
        assert two.warnings == []
        for n in (65, 38, 13, 1, 50):  # a seek into each kind
            (frame,) = two.read(FrameRange(n, n + 1))
            (source_frame,) = one.read(FrameRange(n, n + 1))
            assert np.array_equal(frame.planes[0], source_frame.planes[0]) == same[n]


def test_the_header_has_both_parameter_sets_and_no_packet_has_any(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=70, options=GROUPS))
    film, _ = mixed_film(media, tmp_path, ".mp4")
    with open_media(film.path) as container:
        stream = container.streams.video[0]
        sets = parameter_sets(stream.codec_context.extradata)
        assert sets.used_ids == {0, 31} and sets.length_size == 4
        for packet in container.demux(stream):
            assert not {kind(unit) for unit in units_of(bytes(packet), 4)} & {SPS, PPS}


def test_a_stranger_decodes_it(tmp_path):
    """ffmpeg, which was not told what was copied, finds nothing to complain about."""
    from dubkit.media.ffmpeg import ffmpeg_binary, url
    from dubkit.process import run

    media = probe(make_film(tmp_path / "film.mp4", frames=70, options=GROUPS))
    film, _ = mixed_film(media, tmp_path, ".mp4")
    run([ffmpeg_binary(), "-v", "error", "-xerror", "-err_detect", "explode", "-i", url(film.path), "-f", "null", "-"])


@pytest.mark.parametrize("options, film, settings, words", [
    ({}, {"codec": "libx265"}, COPY, "the film is hevc"),
    ({}, {}, RenderSettings(copy_untouched=True, codec="h265"), "the output is h265"),
    ({"x264-params": "sps-id=31"}, {}, COPY, "parameter set 31 itself"),
    ({}, {"times": [Fraction(n * n, 300) for n in range(40)]}, COPY, "rate varies"),
])  # fmt: skip
def test_what_cannot_be_copied_says_why(tmp_path, options, film, settings, words):
    media = probe(make_film(tmp_path / "film.mp4", **{"frames": 48, "options": options or None, **film}))
    with pytest.raises(CopyRefused, match=words):
        closed_groups(media, settings)


def test_an_open_group_is_no_closed_group(tmp_path):
    """x264's open groups begin with a recovery point instead of an IDR picture: the film is one group."""
    options = {"preset": "medium", "g": "12", "x264-params": "open-gop=1:scenecut=0:bframes=3:b-adapt=0"}
    media = probe(make_film(tmp_path / "film.mp4", frames=60, options=options))
    assert closed_groups(media, COPY) == (FrameRange(0, 60),)


def test_a_copied_frame_that_comes_out_changed_is_found(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=24, options=GROUPS))
    other = make_film(tmp_path / "other.mp4", frames=24, options=GROUPS | {"crf": "40"})
    check_copied(media.path, media, [FrameRange(0, 24)])
    with pytest.raises(CopyRefused, match="frame 12 was copied and comes out changed"):
        check_copied(other, media, [FrameRange(12, 24)])


def test_lengths_that_do_not_add_up_are_damage():
    from dubkit.errors import MediaError

    with pytest.raises(MediaError, match="damaged"):
        list(units_of(b"\0\0\0\x09abc", 4))
    assert list(units_of(b"\0\0\0\1\x65abc\0\0\1\x41d\0", None)) == [b"\x65abc", b"\x41d"]
    with pytest.raises(MediaError, match="not in the container's header"):
        parameter_sets(None)
