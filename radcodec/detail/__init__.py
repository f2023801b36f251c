"""The detail layer: learned residual coding to the exact image or one within a bound (docs/format.md, section 8).

Names are loaded when they are first used, because their modules load the native core.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radcodec.detail.counted import encode_counted
    from radcodec.detail.earlier import PlaneAxis, TilePlanes
    from radcodec.detail.filled import encode_filled
    from radcodec.detail.maps import TileBound
    from radcodec.detail.orders import AS_IT_IS, order_by_roughness
    from radcodec.detail.plain import is_learned, uses_predictors
    from radcodec.detail.predictors import (
        Predictors,
        least_detail_bytes,
        pack_predictors,
        with_clean_tables,
        without_borders,
    )
    from radcodec.detail.stream import (
        code_tile,
        decode_tile,
        encode_tile,
        fit_cube,
        fit_image,
        load_predictors,
    )

__all__ = [
    "AS_IT_IS",
    "PlaneAxis",
    "Predictors",
    "TileBound",
    "TilePlanes",
    "code_tile",
    "decode_tile",
    "encode_counted",
    "encode_filled",
    "encode_tile",
    "fit_cube",
    "fit_image",
    "is_learned",
    "least_detail_bytes",
    "load_predictors",
    "order_by_roughness",
    "pack_predictors",
    "uses_predictors",
    "with_clean_tables",
    "without_borders",
]

_OF_PREDICTORS = ("Predictors", "least_detail_bytes", "pack_predictors", "with_clean_tables", "without_borders")
_HOMES = {
    "AS_IT_IS": "orders",
    "PlaneAxis": "earlier",
    "TileBound": "maps",
    "TilePlanes": "earlier",
    "encode_counted": "counted",
    "encode_filled": "filled",
    "is_learned": "plain",
    "order_by_roughness": "orders",
    "uses_predictors": "plain",
    **dict.fromkeys(_OF_PREDICTORS, "predictors"),
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that defines it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'stream')}"), name)
