"""What the tiles of an image of a late file share: sets of predictors, each for runs of tiles (format.md 2.4)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from radcodec import detail
from radcodec.container.predictor_sets import PredictorSets
from radcodec.decoding.tile import SharedParts, checked_predictors

if TYPE_CHECKING:
    from radcodec.base.store import Model


class LateParts(SharedParts):
    """Predictors and model of an image of a late file; each set is made when a tile first asks for it.

    Parameters
    ----------
    detail_bytes
        Gives the bytes of the detail streams of a run of tiles; None where sets may make any work.
    """

    def __init__(
        self,
        sets: PredictorSets,
        model: Model | tuple[str, bytes] | None,
        detail_bytes: Callable[[range], int] | None = None,
    ) -> None:
        super().__init__(b"", model)
        self._sets = sets
        self._bytes_of = detail_bytes
        self._made: dict[int, detail.Predictors | None] = {}
        self._set_lock = threading.Lock()

    def predictors_of(self, tile: int) -> detail.Predictors | None:
        """Return the predictors of a tile; raises CorruptError where its set is unsound."""
        number = self._sets.number_of(tile)
        if number == 0:
            return None
        with self._set_lock:
            if number not in self._made:
                counted = None if self._bytes_of is None else sum(map(self._bytes_of, self._sets.runs_of(number)))
                self._made[number] = checked_predictors(self._sets.sets[number - 1], counted)
            return self._made[number]
