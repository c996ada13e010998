import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubkit.settings import VoiceSettings
from dubkit.types import Line, Segment
from dubkit.voice.fit import Slot, cut_to, fit, slots, tightened, trimmed
from dubkit.voice.stretch import ffmpeg_with, stretch
from dubkit.voice.tracks import RATE
from tests.voice.conftest import babble

SETTINGS = VoiceSettings()
TEXT = "x" * 40


def line(number: int, start: float, end: float, who: str = "ana") -> Line:
    return Line(f"L{number}", f"T{number}", Segment(start, end), who, "")


def slot(own: float, soft: float, hard: float) -> Slot:
    return Slot(Segment(10.0, 10.0 + own), 10.0 + soft, 10.0 + hard)


def test_the_pause_is_borrowed_up_to_the_limit_and_to_the_next_line() -> None:
    lines = [line(0, 1, 2), line(1, 2.2, 3, "ben"), line(2, 5, 6), line(3, 5.5, 6.5, "ben"), line(4, 9, 9.8)]
    found = slots(lines, 10.0, SETTINGS)
    assert found["L0"].soft_end == pytest.approx(2.2)  # ben begins
    assert found["L1"].soft_end == pytest.approx(3.5)  # half a second of silence
    assert found["L2"].soft_end == pytest.approx(6.0)  # ben talks over its end: nothing to borrow
    assert found["L0"].hard_end == pytest.approx(5.0)  # ana goes on
    assert found["L4"].soft_end == found["L4"].hard_end == pytest.approx(10.0)  # the film ends


@pytest.mark.parametrize(
    ("natural", "speed", "length", "note"),
    [
        (2.0, 1.0, 2.0, None),  # it fits
        (1.95, 1.0, 1.95, None),  # nearly full: left alone
        (1.8, 0.9, 2.0, None),  # slowed down to fill
        (1.0, 0.9, 1.111, "too short by 0.9 s: the actor's lips move longer than the line; about 32 characters more"),
        (2.3, 1.0, 2.3, None),  # borrows the pause
        (2.75, 1.1, 2.5, None),  # borrows and is a little faster
        (3.0, 1.2, 2.5, "hurried: 1.20 times"),
    ],
)
def test_the_order_is_natural_then_pause_then_speed(natural: float, speed: float, length: float, note) -> None:
    found = fit(natural, natural, slot(2.0, 2.5, 20.0), TEXT, SETTINGS)
    assert found.speed == pytest.approx(speed, abs=1e-3) and found.length == pytest.approx(length, abs=1e-3)
    assert (note is None) == (not found.notes) and (note or "") in " ".join(found.notes)


def test_shorter_pauses_come_before_haste() -> None:
    found = fit(3.0, 2.6, slot(2.0, 2.5, 20.0), TEXT, SETTINGS)
    assert found.tighten and found.speed == pytest.approx(1.04) and not found.notes


def test_too_long_says_how_many_characters_to_cut() -> None:
    found = fit(4.0, 4.0, slot(2.0, 2.5, 20.0), TEXT, SETTINGS)
    assert found.speed == 1.3 and found.length == pytest.approx(4 / 1.3)
    # 2.5 s hold 2.5 * 1.3 = 3.25 s of speech, that is 32.5 of 40 characters: 8 are too many.
    assert found.notes == (
        "too long by 0.6 s at 1.3 times its speed: cut about 8 of its 40 characters; it runs over its slot",
    )


def test_a_line_is_cut_before_the_same_speaker_goes_on() -> None:
    found = fit(4.0, 4.0, slot(2.0, 2.2, 2.2), TEXT, SETTINGS)
    assert found.length == pytest.approx(2.2) and "its last 0.9 s were cut off" in found.notes[0]


def test_a_recorded_line_is_never_slowed_down() -> None:
    found = fit(1.0, 1.0, slot(2.0, 2.5, 20.0), "", SETTINGS, recorded=True)
    assert found.speed == 1.0 and "too short by 1.0 s" in found.notes[0]


@given(
    st.floats(0.05, 20), st.floats(0.3, 1), st.floats(0, 10), st.floats(0, 3), st.floats(0, 10), st.sampled_from([0.9, 1.0]),
    st.floats(1.0, 1.3), st.booleans(),
)  # fmt: skip
def test_no_line_ever_breaks_a_limit(natural, tight, own, more, rest, low, high, recorded) -> None:
    settings = VoiceSettings(natural_min=low, natural_max=min(1.15, high), stretch_max=high)
    place = slot(own, own + more, own + more + rest)
    found = fit(natural, natural * tight, place, TEXT, settings, recorded=recorded)
    assert (1.0 if recorded else low) - 1e-9 <= found.speed <= high + 1e-9
    assert 0 <= found.length <= own + more + rest + 1e-6
    used = natural * tight if found.tighten else natural
    assert found.length <= used / found.speed + 1e-6
    if found.length < used / found.speed - 1e-6:
        assert any("cut off" in note for note in found.notes)


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 5), st.sampled_from("ab")), min_size=1, max_size=12), st.data()
)
def test_lines_of_one_speaker_never_overlap_themselves(spans, data) -> None:
    lines = [line(i, start, start + length, who) for i, (start, length, who) in enumerate(spans)]
    ends: dict[str, float] = {}
    places = slots(lines, 60.0, SETTINGS)
    for one in sorted(lines, key=lambda x: (x.segment, x.id)):
        natural = data.draw(st.floats(0.1, 8))
        place = places[one.id]
        start = place.segment.start
        assert start >= ends.get(one.speaker, 0.0) - 1e-6
        ends[one.speaker] = start + fit(natural, natural * 0.9, place, TEXT, SETTINGS).length


def test_silence_at_the_ends_is_trimmed_and_pauses_inside_are_shortened() -> None:
    a, b = babble(0.8, 1), babble(0.7, 2)
    audio = np.concatenate([np.zeros(RATE), a, np.zeros(RATE // 2), b, np.zeros(RATE // 3)]).astype(np.float32)
    cut = trimmed(audio)
    assert len(cut) / RATE == pytest.approx(2.0, abs=0.04)
    short = tightened(cut)
    assert len(short) / RATE == pytest.approx(1.62, abs=0.05)
    assert np.sum(short**2) == pytest.approx(np.sum(cut**2), rel=0.02)  # only silence went
    assert len(trimmed(np.zeros(100, np.float32))) == 0
    assert len(cut_to(cut, 1000)) == 1000 and abs(cut_to(cut, 1000)[-1]) < 1e-6 and len(cut_to(cut, 200_000)) == 200_000


@pytest.mark.parametrize("engine", ["rubberband", "atempo"])
@pytest.mark.parametrize("speed", [0.9, 1.07, 1.3])
def test_stretching_keeps_the_pitch_and_gives_the_exact_length(engine: str, speed: float) -> None:
    ffmpeg_with(engine)
    t = np.arange(2 * RATE) / RATE
    audio = (0.3 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)
    found = stretch(audio, speed, engine)
    assert found.dtype == np.float32 and len(found) == round(len(audio) / speed)
    middle = found[RATE // 4 : RATE // 4 + RATE]
    pitch = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))))
    assert pitch == pytest.approx(220, abs=2)
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.3 / 2**0.5, rel=0.1)


def test_rubberband_keeps_consonants_where_they_belong() -> None:
    audio, click = np.zeros(3 * RATE, np.float32), RATE // 50
    noise = np.random.default_rng(0).standard_normal(click) * 0.2 * np.exp(-np.arange(click) / 200)
    for second in (0.5, 1.5, 2.5):
        audio[round(second * RATE) : round(second * RATE) + click] = noise
    for speed in (0.9, 1.15, 1.3):
        power = stretch(audio, speed) ** 2
        for second in (0.5, 1.5, 2.5):
            start = round(second / speed * RATE)
            near = power[start - RATE // 10 : start + RATE // 10]
            late = (near * np.arange(len(near))).sum() / near.sum() - RATE // 10
            assert abs(late) < 0.010 * RATE
