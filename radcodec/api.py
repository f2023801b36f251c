"""The public face: arrays and files in, files and arrays out. Heavy modules are imported when they are first needed."""

from radcodec.reading import cutout, decode, decompress, open, preview, verify
from radcodec.streaming import create, recover
from radcodec.writing import compress, encode, estimate

__all__ = [
    "compress",
    "create",
    "cutout",
    "decode",
    "decompress",
    "encode",
    "estimate",
    "open",
    "preview",
    "recover",
    "verify",
]
