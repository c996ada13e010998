"""What of a translated line is to be spoken: no markup, no emoji, no notes for the reader."""

from __future__ import annotations

import html
import re
import unicodedata

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")  # <i>, <font color=...>, WebVTT's <v Anna>
_ASS = re.compile(r"\{\\[^}]*\}")  # {\an8}
_NOTE = re.compile(r"\[[^\]]*\]|[♪♫♬♩#]+(?=\s|$)|(?:^|(?<=\s))[♪♫♬♩#]+")  # [door slams], ♪ signs
_BREAK = re.compile(r"\\[Nnh]|[\r\n\t\u2028\u2029]+")
_SPEAKER = re.compile(r"^\s*(?:>>\s*)?([^\W\d_][\w .'’\-]{0,38}?)\s*:\s+(?=\S)")

# Kept although they belong to no letter: what changes how a line is said or counted.
_JOINERS = {"\u200c", "\u200d"}  # ZWNJ, ZWJ shape Persian and Indic words


def speakable(text: str) -> str:
    """``text`` as a voice should get it; empty where nothing is left to say.

    Removes markup, notes in square brackets, emoji and control signs (also the invisible direction marks of
    right-to-left text); keeps letters, digits, punctuation and currency of every script.
    """
    text = html.unescape(_TAG.sub("", _ASS.sub("", text)))
    text = _NOTE.sub(" ", _BREAK.sub(" ", text))
    kept = []
    for sign in unicodedata.normalize("NFC", text):
        category = unicodedata.category(sign)
        if sign in _JOINERS and kept and kept[-1].isalpha():
            kept.append(sign)
        elif category in ("So", "Sk", "Cf", "Cc", "Cs", "Co", "Cn") or "\ufe00" <= sign <= "\ufe0f":
            kept.append("" if category == "Cf" else " ")
        else:
            kept.append(sign)
    text = re.sub(r"\s+", " ", "".join(kept)).strip(" -–—")
    return text if any(sign.isalnum() for sign in text) else ""


def split_speaker(text: str) -> tuple[str | None, str]:
    """The name before a colon at the start of a subtitle, and the rest: "Nora: Sí." → ("Nora", "Sí.")."""
    plain = _TAG.sub("", _ASS.sub("", text))
    match = _SPEAKER.match(plain)
    return (match[1].strip(), plain[match.end() :].strip()) if match else (None, text.strip())
