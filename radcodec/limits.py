"""Every cap that a reader or an option enforces, each with its reason.

A size is checked against its cap before anything is allocated for it. A file that is over one raises LimitError.
"""

from __future__ import annotations

# FITS knows NAXIS up to 999, NumPy up to 64 axes.
MAX_AXES = 999
MAX_ARRAY_AXES = 64
# Border sets take milliseconds a predictor: the details of its image are at least so many bytes for each.
MIN_BORDER_BYTES = 128
# Exact in the float64 arithmetic of positions, and far above any image that exists.
MAX_PIXELS = (1 << 48) - 1
# A smaller tile spends more on its index entry than on its pixels; a larger one defeats random access and threads.
MIN_TILE = 8
MAX_TILE = 2048
DEFAULT_TILE = 512
# The base layer has fewer; a file may name no more, so that an index entry is at most 144 bytes.
MAX_STAGES = 16
# Names, units and notes; a FITS value is under 80.
MAX_STR_BYTES = 4096
# META holds headers and records, PARAMS predictors and maps: both under the 2^32 that the format can say.
MAX_META_BYTES = 1 << 32
MAX_PARAMS_BYTES = 1 << 32
# Room for 16 bytes for each of 2^36 tiles of a file.
MAX_INDEX_BYTES = 1 << 40
# Sizes in INDEX are kept as four bytes.
MAX_STREAM_BYTES = (1 << 32) - 1
# Sections of pixels: a file longer than this cannot be addressed by most file systems.
MAX_SECTION_BYTES = 1 << 60
# A header and data unit takes at least five bytes of META, so that META bounds their number; this bounds it earlier.
MAX_HDUS = 1 << 20
# Cells of a localsigma map are no larger than this.
MAX_CELL = 4096
# What a FITS source may hold once compression is taken off: more than any disk here would hold.
MAX_FITS_BYTES = 1 << 40
# META and PARAMS that pack better, beyond some room, are stored as they are: a short file takes little memory.
PACKED_ROOM_BYTES = 1 << 24
PACKED_RATIO = 1024
# Memory that the decoder of an xz source may ask for: its own level 9 takes 65 MiB, a file may name 4 GiB.
MAX_UNPACK_BYTES = 1 << 29
# RFC 8878, 3.1.1.2: a block of at least 3 bytes gives at most 128 KiB, so that a frame cannot grow by more.
MAX_ZSTD_RATIO = (1 << 17) // 3 + 1
# What a cut-out that reaches outside of its image may hold, 2 GiB of float64, so that a typing error fills no memory.
MAX_FILLED_PIXELS = 1 << 28
# A picture for the screen: larger previews are averaged down to this many pixels a side.
MAX_PICTURE_SIDE = 2048
# JPEG knows no more pixels a side.
MAX_ASKED_SIDE = 65535
# Base layers above this share of a file are no preview any more.
MAX_PREVIEW_PERCENT = 50.0
# More threads than this only cost memory.
MAX_THREADS = 256
# Of a server: files that are open at once, and decoded tiles of each that are kept.
SERVED_OPEN_FILES = 8
SERVED_CACHE_BYTES = 64 << 20
# What it decodes for one picture or cut-out: 256 MiB of float64, and a few times that while it works.
SERVED_PIXELS = 1 << 25
# What it holds of one answer, and how many connections it has at once; more are answered with 503.
SERVED_PIECE_BYTES = 1 << 19
SERVED_CONNECTIONS = 512
# Names on one page of a folder.
SERVED_NAMES = 5000
