"""Caps that readers and options enforce, each with its reason.

Sizes are checked against their caps before anything is allocated. A file over a cap raises LimitError.
"""

from __future__ import annotations

# FITS allows 999 axes. An image has at most as many as an array of NumPy.
MAX_FITS_AXES = 999
MAX_AXES = 64
# Border sets take milliseconds a predictor, so details need this many bytes for each predictor.
MIN_BORDER_BYTES = 128
# Positions stay exact in float64, and no existing image comes near.
MAX_PIXELS = (1 << 48) - 1
# A smaller tile spends more on its index entry than on its pixels; a larger one defeats random access and threads.
MIN_TILE = 8
MAX_TILE = 2048
DEFAULT_TILE = 512
MIN_TILE_SAMPLES = MIN_TILE * MIN_TILE
MAX_TILE_SAMPLES = MAX_TILE * MAX_TILE
# Decoding in order holds all tiles of some planes, mostly in a temporary file. Over this, tiles are decoded again for
# the next planes.
MAX_SLAB_BYTES = 1 << 31
# A restored FITS file that is read as one (virtual) keeps all tiles of some planes up to this.
MAX_CACHED_BYTES = 1 << 27
# What grows with an image is in memory up to this. More of it goes to temporary files (docs/scale.md).
MAX_SCRATCH_MEMORY = 1 << 26
# Copies of pipes are in memory up to this, beyond it in temporary files.
MAX_SPOOL_MEMORY = 1 << 24
# Samples that are handled at once where an image is passed over from front to back; a multiple of 8.
MAX_PIECE_SAMPLES = 1 << 20
# Images of more samples: bitmaps of theirs are packed in turn, to a few bits more or less than in one go.
MAX_WHOLE_BITMAP = 1 << 26
# Candidates, such as outliers, that are kept or looked at together.
MAX_CANDIDATES = 1 << 16
# From 1, fast, to 9, smallest: docs/effort.md says what each level costs.
MIN_EFFORT = 1
MAX_EFFORT = 9
DEFAULT_EFFORT = 5
# Models have fewer stages. This bounds an index entry to 144 bytes.
MAX_STAGES = 16
# Names, units and notes; a FITS value is under 80.
MAX_STR_BYTES = 4096
# META holds headers and records, PARAMS predictors and maps. Both stay under the format's 2^32.
MAX_META_BYTES = 1 << 32
MAX_PARAMS_BYTES = 1 << 32
# Room for 16 bytes for each of 2^36 tiles of a file.
MAX_INDEX_BYTES = 1 << 40
# Larger files do not feel the bytes that a compact one saves, and gain from checksums of their parts.
MAX_COMPACT_BYTES = 1 << 14
# Readers keep sizes from INDEX in four bytes.
MAX_STREAM_BYTES = (1 << 32) - 1
# Sections of pixels: a file longer than this cannot be addressed by most file systems.
MAX_SECTION_BYTES = 1 << 60
# META bounds the number of HDUs, at five bytes each; this cap is lower.
MAX_HDUS = 1 << 20
# Cells of a localsigma map are no larger than this.
MAX_CELL = 4096
# Largest size of a decompressed FITS source.
MAX_FITS_BYTES = 1 << 40
# META and PARAMS that compress better than this are stored uncompressed, so that a short file needs little memory.
PACKED_ROOM_BYTES = 1 << 24
PACKED_RATIO = 1024
# Memory for decoding an xz source: level 9 needs 65 MiB, while a file may declare 4 GiB.
MAX_UNPACK_BYTES = 1 << 29
# RFC 8878, 3.1.1.2: a block of 3 bytes or more gives at most 128 KiB, which bounds the growth of a frame.
MAX_ZSTD_RATIO = (1 << 17) // 3 + 1
# Largest cut-out that reaches outside of its image: 2 GiB of float64. A typing error must not fill the memory.
MAX_FILLED_PIXELS = 1 << 28
# Planes of more pixels are averaged while they are decoded, where a picture is all that is asked for.
MAX_WHOLE_LOOK = 1 << 22
# Larger previews are averaged down to this many pixels a side, to fit a screen.
MAX_PICTURE_SIDE = 2048
# JPEG allows no more pixels a side.
MAX_ASKED_SIDE = 65535
# A base layer above this share of a file is no longer a preview.
MAX_PREVIEW_PERCENT = 50.0
# More threads only cost memory.
MAX_THREADS = 256
# Seconds that a command waits for something: a year. The system cannot sleep for 300 years.
MAX_WAIT_S = 366.0 * 86400
# Of posterior samples: pixels that are worked on at once (float64, a few times over), and those of all draws (float32).
MAX_SAMPLED_PIXELS = 1 << 24
MAX_DRAWN_PIXELS = 1 << 27
# Training data. The largest published archive (Radio Galaxy Zoo) has some 2.4 GB before gzip.
MAX_ARCHIVE_BYTES = 8 << 30
# The largest published batch (Radio Galaxy Zoo: 2000 images of 150 x 150 bytes) has 46 MB, one of CIFAR-10 31 MB.
MAX_BATCH_BYTES = 256 << 20
# Entries of all lists of a batch: 2000 images with six values each, or 10000 labels and names, with room to spare.
MAX_BATCH_ENTRIES = 1 << 20
# A dictionary of lists of arrays has three levels.
MAX_BATCH_DEPTH = 4
# A file name of 1024 characters, at four bytes each.
MAX_BATCH_SCALAR_BYTES = 4096
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
# Of the predictor block (docs/format.md 8.2): work before the first sample stays bounded.
MAX_PREDICTORS = 8
# Of an image whose pixels came one after the other (2.4): a set every minute of six weeks.
MAX_PREDICTOR_SETS = 1 << 16
MAX_PREDICTOR_RUNS = 1 << 20
# Of an open file (2.5): maps of bounds of planes, entries of their tiles, and headers.
MAX_RECORD_BYTES = 1 << 30
MAX_RADIUS = 24
MAX_BORDER = 8
MAX_LAGS = 8
MAX_LAG_RADIUS = 4
MAX_BLEND = 64
MAX_SHIFT = 40
# A stream in parts nests at most so deep, so that reading it needs little of the stack.
MAX_DEPTH = 8
# Shapes of a set of detail tables.
MAX_SHAPES = 16
