"""How right is a diarization, or a transcript: DER, JER, number of speakers (pyannote.metrics) and WER (jiwer).

Arguments come reference first. DER is false alarm + missed speech + confusion over the reference's speech, after the
best one-to-one mapping of speakers (NIST RT-09); JER the mean of the speakers' Jaccard errors (DIHARD II). ``collar`` is
the whole stretch in seconds around each reference border that is not scored (0.5 means ±0.25 s, as in older papers).
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dubkit.errors import EngineUnavailable, SpeechFileError
from dubkit.speech import cues, rttm
from dubkit.types import Turn


def evaluate_speech(ref: Path, hyp: Path, *, collar: float = 0.0, skip_overlap: bool = False) -> dict[str, Any]:
    """Compares two RTTM files; of several recordings, each and all together. Raises SpeechFileError.

    Returns ``der``, ``jer``, ``false_alarm``, ``missed``, ``confusion`` (shares of the reference's speech), ``total``
    (its seconds), ``speakers_ref``, ``speakers_hyp``, ``speaker_count_error`` (mean absolute, a recording) and, where
    there are several recordings, ``recordings``: file id → the same.
    """
    references, hypotheses = rttm.load_all(ref), rttm.load_all(hyp)
    if not references:
        raise SpeechFileError(f"{ref.name} holds no turn, so there is nothing to compare with")
    if len(references) == 1 and len(hypotheses) == 1:  # tools name the recording as they like
        hypotheses = dict(zip(references, hypotheses.values(), strict=True))
    unknown = sorted(set(hypotheses) - set(references))
    if unknown:
        raise SpeechFileError(
            f"{hyp.name} holds recordings that {ref.name} does not: {', '.join(unknown)} (it holds: "
            f"{', '.join(sorted(references))})"
        )
    pairs = {name: (turns, hypotheses.get(name, ())) for name, turns in references.items()}
    total = score(list(pairs.values()), collar=collar, skip_overlap=skip_overlap)
    if len(pairs) > 1:
        total["recordings"] = {n: score([p], collar=collar, skip_overlap=skip_overlap) for n, p in pairs.items()}
    return total


def score(
    pairs: Sequence[tuple[Sequence[Turn], Sequence[Turn]]], *, collar: float = 0.0, skip_overlap: bool = False
) -> dict[str, Any]:
    """The measures of ``evaluate_speech`` for pairs of reference and hypothesis turns, one a recording."""
    try:
        from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate
    except ImportError as error:
        raise EngineUnavailable("pyannote.metrics", "the package is missing", "pip install 'dubkit[speech]'") from error

    der = DiarizationErrorRate(collar=collar, skip_overlap=skip_overlap)
    jer = JaccardErrorRate(collar=collar, skip_overlap=skip_overlap)
    counts = []
    for reference, hypothesis in pairs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no UEM given: the extent of both files is scored, which is meant
            der(_annotation(reference), _annotation(hypothesis))
            jer(_annotation(reference), _annotation(hypothesis))
        counts.append(tuple(len({turn.speaker for turn in turns}) for turns in (reference, hypothesis)))
    parts = der[:]
    seconds = parts["total"]

    def share(name: str) -> float:
        return float(parts[name] / seconds) if seconds else 0.0

    return {
        "der": float(abs(der)),
        "jer": float(abs(jer)),
        "false_alarm": share("false alarm"),
        "missed": share("missed detection"),
        "confusion": share("confusion"),
        "total": float(seconds),
        "speakers_ref": sum(a for a, _ in counts),
        "speakers_hyp": sum(b for _, b in counts),
        "speaker_count_error": sum(abs(a - b) for a, b in counts) / len(counts),
        "collar": collar,
        "skip_overlap": skip_overlap,
    }


def evaluate_words(ref: Path, hyp: Path) -> dict[str, float]:
    """Compares two transcripts (subtitles, sheet, whisperX JSON, or plain text): see ``word_errors``."""
    return word_errors(_text(ref), _text(hyp))


def word_errors(reference: str, hypothesis: str) -> dict[str, float]:
    """``wer``, ``cer`` and the counts behind the first; case, punctuation and line breaks do not count as errors."""
    try:
        import jiwer
    except ImportError as error:
        raise EngineUnavailable("jiwer", "the package is missing", "pip install 'dubkit[speech]'") from error

    ref, hyp = plain_words(reference), plain_words(hypothesis)
    if not ref:
        raise SpeechFileError("the reference transcript holds no words, so there is nothing to compare with")
    found = jiwer.process_words(ref, hyp)
    return {
        "wer": float(found.wer),
        "cer": float(jiwer.cer(ref, hyp)),
        "substitutions": found.substitutions,
        "deletions": found.deletions,
        "insertions": found.insertions,
        "words": found.hits + found.substitutions + found.deletions,
    }


def plain_words(text: str) -> str:
    """Lower-case words with single spaces; apostrophes inside words stay, accents stay."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return " ".join(re.findall(r"\w+(?:'\w+)*", text))


def _annotation(turns: Sequence[Turn]) -> Any:
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for turn in turns:
        if turn.segment.duration > 0:
            annotation[Segment(turn.segment.start, turn.segment.end), turn.id] = turn.speaker
    return annotation


def _text(path: Path) -> str:
    if path.suffix.lower() == ".txt":
        try:
            return cues.decode(path.read_bytes(), path.name)[0]
        except OSError as error:
            raise SpeechFileError(f"{path} cannot be read: {error.strerror}") from error
    return "\n".join(cue.source or cue.text for cue in cues.load(path)[0])
