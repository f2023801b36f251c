"""The compiled ANS coder writes constriction's words."""

from __future__ import annotations

import constriction
import numpy as np
import pytest

from radcodec.coding.ans import encode_symbols
from radcodec.detail.tables import default_tables


@pytest.mark.parametrize("n", [0, 1, 2, 7, 5000])
def test_words_are_constrictions(n: int) -> None:
    """Random symbols under random tables give word for word what constriction's AnsCoder gives."""
    rng = np.random.default_rng(n)
    cumulative = default_tables().cumulative[0]
    tables = rng.integers(0, 576, n).astype(np.uint16)
    symbols = rng.integers(0, 128, n).astype(np.uint8)
    words = np.empty(n + 2, np.uint32)
    count = encode_symbols(symbols, tables, cumulative, words)
    coder = constriction.stream.stack.AnsCoder()
    if n:
        weights = np.diff(cumulative.astype(np.int64), axis=1)[tables] - 1
        family = constriction.stream.model.Categorical(perfect=False, lazy=True)
        coder.encode_reverse(symbols.astype(np.int32), family, weights.astype(np.float64))
    assert words[:count].tolist() == coder.get_compressed().tolist()
