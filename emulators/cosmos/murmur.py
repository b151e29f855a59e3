"""MurmurHash3 of 128 bits for 64-bit machines, which spreads partition keys over a container.

Algorithm: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (public domain).
"""

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_C1 = 0x87C3_7B91_1142_53D5
_C2 = 0x4CF5_AD43_2745_937F


def murmur3_128(data: bytes) -> tuple[int, int]:
    """Both 64-bit halves of the hash with the seed 0."""
    first = second = 0
    whole = len(data) - len(data) % 16
    for start in range(0, whole, 16):
        first ^= _mixed_first(int.from_bytes(data[start : start + 8], "little"))
        first = (_rotated(first, 27) + second) & _MASK
        first = (first * 5 + 0x52DC_E729) & _MASK
        second ^= _mixed_second(int.from_bytes(data[start + 8 : start + 16], "little"))
        second = (_rotated(second, 31) + first) & _MASK
        second = (second * 5 + 0x3849_5AB5) & _MASK
    first ^= _mixed_first(int.from_bytes(data[whole : whole + 8], "little")) ^ len(data)
    second ^= _mixed_second(int.from_bytes(data[whole + 8 :], "little")) ^ len(data)
    first = (first + second) & _MASK
    second = (second + first) & _MASK
    first, second = _finished(first), _finished(second)
    first = (first + second) & _MASK
    return first, (second + first) & _MASK


def _mixed_first(word: int) -> int:
    return _rotated(word * _C1 & _MASK, 31) * _C2 & _MASK


def _mixed_second(word: int) -> int:
    return _rotated(word * _C2 & _MASK, 33) * _C1 & _MASK


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _finished(value: int) -> int:
    value = (value ^ (value >> 33)) * 0xFF51_AFD7_ED55_8CCD & _MASK
    value = (value ^ (value >> 33)) * 0xC4CE_B9FE_1A85_EC53 & _MASK
    return value ^ (value >> 33)
