"""Error rates against values worked out by hand."""

import pytest

from dubkit.errors import SpeechFileError
from dubkit.evaluate.speech import evaluate_speech, evaluate_words, score, word_errors
from dubkit.speech import rttm
from dubkit.speech.turns import make_turns

REFERENCE = make_turns([(0.0, 10.0, "ann"), (10.0, 20.0, "ben")])


def test_perfect_whatever_the_names():
    found = score([(REFERENCE, make_turns([(0.0, 10.0, "S1"), (10.0, 20.0, "S0")]))])
    assert found["der"] == found["jer"] == 0
    assert found["total"] == 20
    assert found["speaker_count_error"] == 0


def test_each_kind_of_error_is_named():
    # 1 s of ann missed, 2 s of ben given to ann, 1 s of speech invented: 4 s of 20
    hypothesis = make_turns([(1.0, 12.0, "A"), (12.0, 21.0, "B")])
    found = score([(REFERENCE, hypothesis)])
    assert found["missed"] == pytest.approx(1 / 20)
    assert found["confusion"] == pytest.approx(2 / 20)
    assert found["false_alarm"] == pytest.approx(1 / 20)
    assert found["der"] == pytest.approx(4 / 20)
    # Jaccard: ann 3 wrong of a union of 12, ben 3 wrong of a union of 11
    assert found["jer"] == pytest.approx((3 / 12 + 3 / 11) / 2)


def test_collar_forgives_borders():
    hypothesis = make_turns([(0.2, 10.2, "A"), (10.2, 20.2, "B")])
    assert score([(REFERENCE, hypothesis)])["der"] > 0
    assert score([(REFERENCE, hypothesis)], collar=0.5)["der"] == 0


def test_overlap_counts_unless_it_is_skipped():
    reference = make_turns([(0.0, 10.0, "ann"), (8.0, 16.0, "ben")])
    hypothesis = make_turns([(0.0, 10.0, "A"), (10.0, 16.0, "B")])
    assert score([(reference, hypothesis)])["der"] == pytest.approx(2 / 18)
    assert score([(reference, hypothesis)], skip_overlap=True)["der"] == 0


def test_wrong_number_of_speakers():
    found = score([(REFERENCE, make_turns([(0.0, 20.0, "A")]))])
    assert (found["speakers_ref"], found["speakers_hyp"], found["speaker_count_error"]) == (2, 1, 1)
    assert found["der"] == pytest.approx(0.5)


def test_files_with_several_recordings(tmp_path):
    ref = tmp_path / "ref.rttm"
    ref.write_text(rttm.dump(REFERENCE, "reel1") + rttm.dump(REFERENCE, "reel2"))
    hyp = rttm.save(tmp_path / "hyp.rttm", REFERENCE, "reel1")
    found = evaluate_speech(ref, hyp)
    assert found["recordings"]["reel1"]["der"] == 0
    assert found["recordings"]["reel2"]["der"] == 1
    assert found["der"] == pytest.approx(0.5)
    rttm.save(hyp, REFERENCE, "other")
    with pytest.raises(SpeechFileError, match="does not: other"):
        evaluate_speech(ref, hyp)


def test_single_recordings_need_not_share_a_name(tmp_path):
    ref = rttm.save(tmp_path / "ref.rttm", REFERENCE, "film")
    hyp = rttm.save(tmp_path / "hyp.rttm", REFERENCE, "film_16k")
    assert evaluate_speech(ref, hyp)["der"] == 0


def test_an_empty_reference_is_an_error_and_an_empty_hypothesis_is_all_missed(tmp_path):
    ref = rttm.save(tmp_path / "ref.rttm", REFERENCE, "film")
    empty = tmp_path / "empty.rttm"
    empty.write_text("")
    assert evaluate_speech(ref, empty)["missed"] == 1
    with pytest.raises(SpeechFileError, match="holds no turn"):
        evaluate_speech(empty, ref)


def test_word_errors_by_hand():
    found = word_errors("Hello, Ann! It's late.", "hello and its late now")
    assert found == {"wer": 3 / 4, "cer": pytest.approx(found["cer"]), "substitutions": 2, "deletions": 0,
                     "insertions": 1, "words": 4}  # fmt: skip
    assert word_errors("Don’t go", "don't go.")["wer"] == 0
    with pytest.raises(SpeechFileError, match="no words"):
        word_errors("...", "hello")


def test_transcript_files(tmp_path):
    (tmp_path / "ref.txt").write_text("one two three")
    (tmp_path / "hyp.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\none two\n\n2\n00:00:03,000 --> 00:00:04,000\nfour\n"
    )
    assert evaluate_words(tmp_path / "ref.txt", tmp_path / "hyp.srt")["wer"] == pytest.approx(1 / 3)
