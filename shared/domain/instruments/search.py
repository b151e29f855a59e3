"""Finding instruments by what people type: a symbol, an ISIN or a name, or how one of them begins."""

from typing import Final

from shared.domain.instruments.instrument import Instrument

EXACT, SYMBOL, ISIN, WORD, INSIDE = range(5)
"""Better matches first."""
WORST: Final = INSIDE


def rank(instrument: Instrument, words: str) -> int | None:
    """How well the instrument matches; None when it does not. Case is ignored.

    EXACT: it is the symbol, the instrument id or the ISIN. SYMBOL: symbol or instrument id begin so. ISIN: the ISIN
    does. WORD: a word of the name does, or several in a row. INSIDE: it is any part of the name.
    """
    wanted = " ".join(words.casefold().split())
    symbols = (instrument.symbol.casefold(), instrument.instrument_id.casefold())
    isin, name = instrument.isin.casefold(), instrument.name.casefold()
    matches = (
        wanted in (*symbols, isin),
        any(each.startswith(wanted) for each in symbols),
        isin.startswith(wanted),
        f" {wanted}" in f" {name}",
        wanted in name,
    )
    return next((place for place, found in enumerate(matches) if found), None) if wanted else None
