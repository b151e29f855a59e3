"""Faults on demand, set at run time over the admin API; a restart of the process clears them.

    mute          nothing is sent, heartbeats neither; what happens meanwhile is lost
    drop_frames   this many of the next frames of windows are lost
    duplicate     every frame is sent twice
    reorder       each frame of windows is sent behind the next frames of its shard

What is lost is missed by its numbers, and the exchange resends it.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from simulators.market_feed.frames import Frame, Windows


class FaultSettings(BaseModel):
    """What is switched on."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mute: bool = False
    drop_frames: int = Field(default=0, ge=0)
    duplicate: bool = False
    reorder: bool = False


class Faults:
    """The settings in force, and the frames that they hold back."""

    def __init__(self) -> None:
        self.settings = FaultSettings()
        self._held: dict[str, list[Frame]] = {}

    def apply(self, shard: str, frames: Sequence[Frame]) -> list[Frame]:
        """What is sent of a shard's frames, in which order."""
        settings = self.settings
        if settings.mute:
            self._held.pop(shard, None)
            return []
        kept = [frame for frame in frames if not self._drops(frame)]
        if settings.reorder and kept:
            held, self._held[shard] = self._held.pop(shard, []), [f for f in kept if isinstance(f, Windows)]
            kept = [*(frame for frame in kept if not isinstance(frame, Windows)), *held]
        else:
            kept = [*kept, *self._held.pop(shard, [])]
        return [frame for frame in kept for _ in range(1 + settings.duplicate)]

    def _drops(self, frame: Frame) -> bool:
        if not isinstance(frame, Windows) or not self.settings.drop_frames:
            return False
        self.settings = self.settings.model_copy(update={"drop_frames": self.settings.drop_frames - 1})
        return True
