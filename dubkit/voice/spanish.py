"""Spanish letters to sounds: written Castilian or Latin American Spanish to IPA with stress marks.

Spanish spelling names its sounds, so rules suffice: RAE, Ortografía de la lengua española (2010) for spelling and
stress; Martínez-Celdrán et al., "Castilian Spanish", JIPA 33(2), 2003 for the symbols. Numbers must be words already
(spanish_numbers.py); letters of other languages are read by their nearest Spanish ones.
"""

from __future__ import annotations

import re
import unicodedata

_VOWELS = "aeiouáéíóúü"
_PLAIN = str.maketrans("áéíóúü", "aeiouu")
UNSTRESSED = frozenset(  # articles, short pronouns, prepositions and conjunctions lean on the next word
    ["a", "al", "con", "de", "del", "e", "el", "en", "la", "las", "le", "les", "lo", "los", "me", "mi", "mis", "ni", "nos", "o",
     "os", "para", "pero", "por", "que", "se", "si", "sin", "su", "sus", "te", "tu", "tus", "u", "un", "una", "y"]
)  # fmt: skip
_PAIRS = {"ch": "ʧ", "ll": "ʝ", "rr": "r", "qu": "k", "xc": "ksθ"}
_FOREIGN = {"ç": "s", "ß": "ss", "æ": "e", "œ": "e", "ø": "o", "ł": "l", "đ": "d"}
_SINGLE = {"b": "b", "v": "b", "d": "d", "f": "f", "h": "", "j": "x", "k": "k", "l": "l", "m": "m", "n": "n",
           "ñ": "ɲ", "p": "p", "s": "s", "t": "t", "w": "w", "x": "ks", "y": "ʝ", "z": "θ"}  # fmt: skip


def phonemes(text: str, *, latin_america: bool = True) -> str:
    """IPA of a Spanish text; punctuation is kept. ``latin_america``: z and soft c sound as s."""
    out = []
    for token in re.findall(r"[a-záéíóúüñ]+|[.,;:!?…]|[¿¡—-]", _spanish_letters(text.lower())):
        if token[0].isalpha():
            out.append(" " + word(token))
        elif token in ".,;:!?…":
            out.append(token)
    spoken = "".join(out).strip()
    return spoken.replace("ksθ", "ks").replace("θ", "s") if latin_america else spoken


def _spanish_letters(text: str) -> str:
    """Zoë → zoe, François → fransois: letters that Spanish does not know lose their marks."""
    kept = []
    for letter in unicodedata.normalize("NFC", text):
        bare = unicodedata.normalize("NFD", letter)[0]
        kept.append(letter if letter in "áéíóúüñ" else _FOREIGN.get(letter, bare))
    return "".join(kept)


def word(written: str) -> str:
    """IPA of one word; a stressed word has ˈ before its stressed syllable's vowel."""
    if written == "y":
        return "i"
    stressed = -1 if written in UNSTRESSED else _stressed_vowel(written)
    out, i = [], 0
    while i < len(written):
        sound, used = _sound(written, i, out, stressed)
        out.append(("ˈ" if i == stressed else "") + sound)
        i += used
    return "".join(out)


def _sound(w: str, i: int, before: list[str], stressed: int) -> tuple[str, int]:
    """The sound at letter ``i`` and how many letters it takes."""
    pair, c, following = w[i : i + 2], w[i], w[i + 1 : i + 2]
    after_pair = w[i + 2 : i + 3]
    if pair in _PAIRS and (pair not in ("qu", "xc") or after_pair in tuple("eéií")):
        return _PAIRS[pair], 2
    if pair == "gu" and after_pair and after_pair in "eéií":
        return _g(before), 2
    if c == "c":
        return ("θ" if following and following in "eéií" else "k"), 1
    if c == "g":
        return ("x" if following and following in "eéií" else _g(before)), 1
    if c == "r":
        return ("r" if i == 0 or w[i - 1] in "nls" else "ɾ"), 1
    if c == "y" and (not following or following not in _VOWELS):
        return "j", 1
    if c in "bv" and before and not before[-1].endswith("m"):
        return "β", 1
    if c == "d" and before and before[-1][-1:] not in ("n", "l"):
        return "ð", 1
    if c in "iu" and following and following in "aeouiáéó" and following != c and i != stressed:
        return ("j" if c == "i" else "w"), 1
    if c == "ü":
        return "w", 1
    if c in "iu" and i and w[i - 1] in "aeoáéó":
        return ("j" if c == "i" else "w"), 1
    if c in _VOWELS:
        return c.translate(_PLAIN), 1
    return _SINGLE.get(c, ""), 1


def _g(before: list[str]) -> str:
    return "ɡ" if not before or before[-1].endswith("n") else "ɣ"


def _stressed_vowel(w: str) -> int:
    """Index of the vowel that carries the stress (-1: none)."""
    for i, c in enumerate(w):
        if c in "áéíóú":
            return i
    nuclei = _nuclei(w)
    if not nuclei:
        return -1
    second_last = w[-1] in "aeiouns"
    return nuclei[-2] if second_last and len(nuclei) > 1 else nuclei[-1]


def _nuclei(w: str) -> list[int]:
    """Indexes of the syllables' vowels; a weak vowel (i, u) beside another one is a glide, not a syllable."""
    silent = {m.end() - 1 for m in re.finditer(r"qu(?=[eéií])|gu(?=[eéií])", w)}
    vowels = [i for i, c in enumerate(w) if (c in _VOWELS and i not in silent) or (c == "y" and i == len(w) - 1 and i)]
    nuclei: list[int] = []
    for i in vowels:
        if nuclei and nuclei[-1] == i - 1 and (w[i] in "iuüy" or w[i - 1] in "iuü"):
            if w[i - 1] in "iuü":  # the stronger one, or the second of two weak ones, carries the syllable
                nuclei[-1] = i
            continue
        nuclei.append(i)
    return nuclei
