"""Rupees on the wire, integer paise inside.

Rules: an amount is an int of paise everywhere in the program and a plain decimal string in JSON; binary
floating point never touches money. The bounds are chosen so that price x quantity plus any charges stays
under 2**62 and therefore inside a PostgreSQL bigint:

    MAX_AMOUNT_PAISE (1e11) x MAX_QUANTITY (1e7) = 1e18 < 4.6e18 = 2**62
"""

import re
from typing import Final

PAISE_PER_RUPEE: Final = 100
MAX_AMOUNT_PAISE: Final = 99_999_999_999
"""Largest amount or price accepted from outside: 999999999.99 rupees."""
MAX_QUANTITY: Final = 10_000_000
"""Largest order quantity accepted from outside, in shares."""

_PLAIN_DECIMAL: Final = re.compile(r"(?P<sign>-?)(?P<rupees>0|[1-9][0-9]{0,8})(?:\.(?P<paise>[0-9]{1,2}))?", re.ASCII)
_SHOWN_CHARACTERS: Final = 32


def parse_rupees(text: str, *, allow_negative: bool = False) -> int:
    """Paise of a decimal string such as "1500", "1500.5" or "1500.05".

    Refused with ValueError: more than two places, more than nine digits before the point, exponents, leading
    zeros, "+", spaces, separators, non-ASCII digits, and a minus sign unless `allow_negative` ("-0" never).
    """
    match = _PLAIN_DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text[:_SHOWN_CHARACTERS]!r} is not an amount: write a plain decimal number "
            "with at most two places and at most 999999999.99"
        )
    paise = int(match["rupees"]) * PAISE_PER_RUPEE + int((match["paise"] or "").ljust(2, "0"))
    if not match["sign"]:
        return paise
    if not allow_negative or paise == 0:
        raise ValueError(f"{text!r} is not an amount: it must not carry a minus sign")
    return -paise


def format_rupees(paise: int) -> str:
    """Decimal string with exactly two places: 150005 -> "1500.05", -7 -> "-0.07"."""
    rupees, rest = divmod(abs(paise), PAISE_PER_RUPEE)
    return f"{'-' if paise < 0 else ''}{rupees}.{rest:02d}"


def round_half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest integer, a half away from zero, without floating point.

    Raises ValueError unless the denominator is positive.
    """
    if denominator <= 0:
        raise ValueError(f"the denominator must be positive, not {denominator}")
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def format_average(notional_paise: int, quantity: int) -> str:
    """Average price in rupees, four places, half up: (300001, 2) -> "1500.0050".

    The exact notional is what is stored; the average is derived for people and never calculated with.
    Without a fill (quantity 0) it is "0.0000", so clients always read the same shape.
    """
    ten_thousandths = round_half_up(notional_paise * 100, quantity) if quantity else 0
    rupees, rest = divmod(ten_thousandths, 10_000)
    return f"{rupees}.{rest:04d}"
