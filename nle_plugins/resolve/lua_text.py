"""Plain values as Lua source. A reply is a file that Resolve runs with ``dofile``: it is code, so nothing may slip through.

Strings become ASCII: every byte that is not a letter, a digit, a space or harmless punctuation is written ``\\ddd`` (Lua 5.1
reference manual, 2.1). Keys are identifiers. Numbers are whole. Anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./:,;()+=#%&@!?")
_KEYWORDS = frozenset(
    [
        "and",
        "break",
        "do",
        "else",
        "elseif",
        "end",
        "false",
        "for",
        "function",
        "goto",
        "if",
        "in",
        "local",
        "nil",
        "not",
        "or",
        "repeat",
        "return",
        "then",
        "true",
        "until",
        "while",
    ]
)
_EXACT = 1 << 53  # a Lua number is a double


def literal(value: object) -> str:
    """Lua source of a bool, a whole number, a text, a sequence or a mapping with identifier keys. Raises ValueError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > _EXACT:
            raise ValueError(f"{value} is too large for a whole number in Lua")
        return str(int(value))
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(key)}={literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return "{" + ",".join(literal(item) for item in value) + "}"
    raise ValueError(f"a {type(value).__name__} cannot be written to a Lua reply")


def quoted(text: str) -> str:
    """A double-quoted Lua string of the text's UTF-8 bytes. Lone surrogates (undecodable path bytes) are kept as bytes."""
    data = text.encode("utf-8", "surrogateescape")
    return '"' + "".join(chr(byte) if byte in _SAFE else f"\\{byte:03d}" for byte in data) + '"'


def reply(value: object) -> bytes:
    """A whole reply file."""
    return f"return {literal(value)}\n".encode("ascii")


def _key(key: object) -> str:
    if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) or key in _KEYWORDS:
        raise ValueError(f"{key!r} cannot be a key of a Lua table")
    return key
