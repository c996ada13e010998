"""Spanish numbers and signs as words: "a las 10:30", "1.500 €", "el 20 %", "3.º".

The numbers themselves come from num2words. Both ways of writing are understood, 1.500,25 and 1,500.25: a sign that is
followed by three digits parts thousands, any other begins the decimals.
"""

from __future__ import annotations

import re

from num2words import num2words

from dubkit.voice.spanish import UNSTRESSED

_SIGNS = {
    "€": "euros",
    "$": "dólares",
    "£": "libras",
    "%": "por ciento",
    "°": "grados",
    "&": "y",
    "+": "más",
    "=": "igual a",
}
_NOUNS = {"€", "$", "£", "°"}  # what is counted: "veintiún euros"
_LONGEST = 15  # digits; more are no number but a row of digits, and so are those that begin with 0
_MONEY = re.compile(r"([€$£])\s*(\d[\d.,]*\d|\d)")
_TIME = re.compile(r"\b(\d{1,2}):(\d\d)\b")
_ORDINAL = re.compile(r"(\d{1,3})\.?([ºª])")
_NUMBER = re.compile(r"(\d{1,3}(?:[.,]\d{3})+(?!\d)|\d+)(?:([.,])(\d+))?(\s*)([€$£%°]|[^\W\d_]+)?")


def in_words(text: str) -> str:
    """``text`` without digits and signs."""
    text = _MONEY.sub(r"\2 \1", text)
    text = _TIME.sub(lambda m: f"{m[1]} {m[2] if m[2] != '00' else 'en punto'}", text)
    text = _ORDINAL.sub(_ordinal, text)
    text = _NUMBER.sub(_number, text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, f" {word} ")
    return re.sub(r"\s+(?=[.,;:!?…])", "", re.sub(r"\s+", " ", text)).strip()


def _ordinal(match: re.Match) -> str:
    word = num2words(int(match[1]), lang="es", to="ordinal")
    return word[:-1] + "a" if match[2] == "ª" and word.endswith("o") else word


def _number(match: re.Match) -> str:
    digits, point, decimals, space, after = match.groups()
    digits = re.sub(r"[.,]", "", digits)
    counted = (
        after if after and (after in _NOUNS or (after not in _SIGNS and after.lower() not in UNSTRESSED)) else None
    )
    if len(digits) > _LONGEST or (len(digits) > 1 and digits[0] == "0"):
        said = " ".join(num2words(int(digit), lang="es") for digit in digits)
    else:
        said = num2words(int(digits), lang="es")
        if counted and not decimals:
            said = _agreeing(said, counted)
    if decimals:
        said += f" {'coma' if point == ',' else 'punto'} " + " ".join(num2words(int(d), lang="es") for d in decimals)
    return f" {said}{space or (' ' if after else '')}{after or ''}"


def _agreeing(said: str, noun: str) -> str:
    """ "veintiuno" before what is counted: veintiún años, veintiuna casas; doscientas casas."""
    feminine = noun == "£" or (noun[-2:].lower() == "as" or (noun[-1:].lower() == "a" and said == "uno"))
    if said.endswith("uno"):
        stem = said[:-3]
        said = f"{stem}una" if feminine else f"{stem}ún" if stem.endswith("veinti") else f"{stem}un"
    return re.sub(r"(cient|quinient)os\b", r"\1as", said) if feminine else said
