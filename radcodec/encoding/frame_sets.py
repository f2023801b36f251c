"""Predictors for planes that come one after the other: fitted to the first ones, and anew where that pays."""

from __future__ import annotations

from dataclasses import dataclass, field

# Frames after a fit from which another one is tried; doubled each time that it does not pay, up to the last number.
FIRST_WAIT, LAST_WAIT = 8, 512
# Frames that a new set is thought to last, over which its bytes are spread.
LASTS = 16
# Of the bytes of a frame: what a new set saves at least, and from which growth on one is tried at once.
LEAST_GAIN = 0.002
GROWN = 1.05


@dataclass(slots=True, kw_only=True)
class SetChoice:
    """The set of predictors in use for exact or for bounded frames, and when to try another one.

    ``number`` is its number in the file, 0 before the first fit; ``block`` is packed, empty where a fit gave nothing.
    """

    number: int = 0
    block: bytes = field(default=b"", repr=False)
    rate: float = 0.0
    frames: int = 0
    wait: int = FIRST_WAIT
    fitted: bool = False

    def is_due(self, rate: float) -> bool:
        """Say whether to try another set, by the bytes a sample that the frame took with this one."""
        return not self.block or self.frames >= self.wait or rate > GROWN * self.rate

    def pays(self, before: int, after: int, block_bytes: int) -> bool:
        """Say whether a frame of ``after`` bytes with a new set is worth that set against ``before`` bytes."""
        return after + block_bytes / LASTS < (1 - LEAST_GAIN) * before

    def keep(self, rate: float, *, tried: bool) -> None:
        """Go on with this set."""
        self.frames += 1
        if tried:
            self.frames, self.rate, self.wait = 0, rate, min(2 * self.wait, LAST_WAIT)

    def take(self, block: bytes, rate: float) -> None:
        """Go on with another set, which gets its number when it is written."""
        self.block, self.rate, self.frames, self.wait = block, rate, 0, FIRST_WAIT
        self.number, self.fitted = 0, True
