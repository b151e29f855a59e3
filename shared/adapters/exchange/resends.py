"""`Resends` over HTTP: `GET /feed/{instrument}/trades` and `GET /feed/{instrument}/minutes/{minute}`."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec

from shared.domain.errors import UnavailableError
from shared.domain.market_data.tape import Resend
from shared.ports.resends import TooOldError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2, connect=0.5)
_decode: Final = msgspec.json.Decoder(Resend).decode


class HttpResends:
    """Asks the venue at `url`. An answer that cannot be read counts as no answer."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def after(self, instrument_id: str, epoch: int, sequence: int, most: int = 1000) -> Resend | None:
        """See `Resends.after`."""
        query = {"epoch": str(epoch), "after": str(sequence), "limit": str(most)}
        return await self._get(f"/feed/{quote(instrument_id)}/trades", query)

    async def of_minute(self, instrument_id: str, minute: int) -> Resend | None:
        """See `Resends.of_minute`."""
        path = f"/feed/{quote(instrument_id)}/minutes/{minute}"
        answer = page = await self._get(path, {})
        trades = list(page.trades) if page else []
        while page and page.next_epoch is not None:
            page = await self._get(path, {"epoch": str(page.next_epoch), "after": str(page.next_after)})
            trades += page.trades if page else ()
        return answer and Resend(trades, answer.epoch, answer.through_sequence)

    async def _get(self, path: str, query: dict[str, str]) -> Resend | None:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.get(self._url + path, params=query) as answer,
            ):
                if answer.status == HTTPStatus.NOT_FOUND:
                    return None
                if answer.status == HTTPStatus.GONE:
                    raise TooOldError
                answer.raise_for_status()
                return _decode(await answer.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
            raise UnavailableError("The venue does not resend trades now", retry_after_s=5) from error
