"""The starts of a table set, by which decoders find a symbol."""

from __future__ import annotations

import numpy as np

from radcodec.detail.tables import default_tables


def test_starts_are_the_symbols_that_hold_quantiles() -> None:
    """starts[i] is the symbol whose range of cumulative counts holds quantile i * 2**18, in every row."""
    tables = default_tables()
    quantiles = np.arange(64) << 18
    cumulative = tables.cumulative.reshape(-1, tables.cumulative.shape[2]).astype(np.int64)
    starts = tables.starts.reshape(len(cumulative), 64).astype(np.int64)
    assert (np.take_along_axis(cumulative, starts, 1) <= quantiles).all()
    assert (np.take_along_axis(cumulative, starts + 1, 1) > quantiles).all()
