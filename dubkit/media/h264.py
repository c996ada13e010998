"""The little of H.264's byte stream that copying needs: NAL units and parameter sets (ITU-T H.264 7.3, 7.4; ISO/IEC 14496-15 5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dubkit.errors import MediaError

IDR, SPS, PPS, DELIMITER = 5, 7, 8, 9
START_CODE = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a decoder needs before the first picture, and how packets of the same stream are divided."""

    units: tuple[bytes, ...]  # SPS and PPS, without start codes
    length_size: int | None  # bytes before each unit of a packet (MP4, Matroska); None: start codes (TS, NUT)

    @property
    def used_ids(self) -> set[int]:
        """Every id of an SPS or PPS."""
        return {_id(unit) for unit in self.units}

    def annex_b(self) -> bytes:
        """As extradata with start codes, the highest profile and level first: the container's label is taken from it."""
        sets = sorted((u for u in self.units if kind(u) == SPS), key=lambda unit: (unit[1], unit[3]), reverse=True)
        return with_start_codes([*sets, *(unit for unit in self.units if kind(unit) == PPS)])


def kind(unit: bytes) -> int:
    """``nal_unit_type`` of table 7-1."""
    return unit[0] & 31


def with_start_codes(units: Iterable[bytes]) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


def units_of(packet: bytes, length_size: int | None) -> Iterator[bytes]:
    """The NAL units of one packet. Raises MediaError where the lengths in it do not add up."""
    if length_size is None:
        yield from _between_start_codes(packet)
        return
    at = 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + length_size], "big")
        at += length_size + size
        if at > len(packet) or size == 0:
            raise MediaError("a packet of the picture is damaged: its parts are longer than the packet")
        yield packet[at - size : at]


def _between_start_codes(data: bytes) -> Iterator[bytes]:
    begin = data.find(b"\0\0\1")
    while begin >= 0:
        begin += 3
        end = data.find(b"\0\0\1", begin)
        unit = data[begin : end if end >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        begin = end


def parameter_sets(extradata: bytes | None) -> ParameterSets:
    """From a stream's extradata, ``avcC`` or with start codes. Raises MediaError where it has none."""
    if not extradata:
        raise MediaError("its parameter sets are not in the container's header")
    if extradata[0] != 1:
        units, length_size = tuple(_between_start_codes(extradata)), None
    else:
        units, length_size = tuple(_avcc_units(extradata)), (extradata[4] & 3) + 1
    found = tuple(unit for unit in units if kind(unit) in (SPS, PPS))
    if {kind(unit) for unit in found} != {SPS, PPS}:
        raise MediaError("its header has no complete parameter sets")
    return ParameterSets(found, length_size)


def _avcc_units(data: bytes) -> Iterator[bytes]:
    at = 5
    for mask in (31, 255):  # numOfSequenceParameterSets has five bits, numOfPictureParameterSets eight
        if at >= len(data):
            return
        count = data[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            yield data[at + 2 : at + 2 + size]
            at += 2 + size


def _id(unit: bytes) -> int:
    """``seq_parameter_set_id`` or ``pic_parameter_set_id``: an Exp-Golomb number (9.1)."""
    payload = unit[1:].replace(b"\0\0\3", b"\0\0")  # emulation prevention, 7.4.1
    bits = "".join(f"{byte:08b}" for byte in (payload[3:] if kind(unit) == SPS else payload)[:9])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1], 2) - 1
