"""Describe bytes that are not FITS, for error messages."""

from __future__ import annotations

_MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89RCZ\r\n\x1a\n", "a .rcz file already: decompress it, or give its FITS file"),
    (0, b"\x1f\x8b", "a gzip file inside of another compressed file: decompress it first (gunzip)"),
    (0, b"\x1f\x9d", "a Unix compress (.Z) file: decompress it first (uncompress)"),
    (0, b"\x1f\xa0", "a Unix compress (.Z, LZH) file: decompress it first"),
    (0, b"\x1f\x1e", "a Unix pack (.z) file: decompress it first"),
    (0, b"BZh", "a bzip2 file: decompress it first (bunzip2)"),
    (0, b"\xfd7zXZ\0", "an xz file: decompress it first (unxz)"),
    (0, b"\x28\xb5\x2f\xfd", "a zstandard file: decompress it first (unzstd)"),
    (0, b"\x04\x22\x4d\x18", "an lz4 file: decompress it first (unlz4)"),
    (0, b"LZIP", "an lzip file: decompress it first (lzip -d)"),
    (0, b"\x5d\0\0", "an lzma file: decompress it first (unlzma)"),
    (0, b"Rar!\x1a\x07", "a rar archive: unpack it first"),
    (0, b"PK\x03\x04", "a zip archive: unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-zip archive: unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file: read the image from it with h5py and use radcodec.encode"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\xff\x0a", "a JPEG-XL picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG-XL picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG-2000 picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x93NUMPY", "a NumPy array file: load it with numpy.load and use radcodec.encode"),
    (0, b"CDF\x01", "a netCDF file"),
    (0, b"CDF\x02", "a netCDF file"),
    (0, b"#ASDF", "an ASDF file"),
    (0, b"\x7fELF", "a program"),
    (
        0,
        b"\xbe\xbe\xbe\xbe",
        "a table.dat of a casacore table (measurement set or CASA image): export it with exportfits",
    ),
    (0, b"XTENSION", "a FITS extension without the primary unit before it"),
    (0, b"SIMPLE", "a FITS header whose first card does not follow the standard"),
    (0, b"<?xml", "an XML document (a VOTable, or a server's error message)"),
    (0, b"<!DOCTYPE", "an HTML page (a server's error message instead of the file)"),
    (0, b"<html", "an HTML page (a server's error message instead of the file)"),
)


def describe_bytes(start: bytes) -> str:
    """Describe a file by its first bytes (300 are enough), as a phrase for an error message."""
    if not start:
        return "an empty file"
    for offset, magic, what in _MAGICS:
        if start[offset : offset + len(magic)] == magic:
            return what
    if not start.strip(b"\0"):
        return "zero bytes (a download or copy that was not finished?)"
    return f"a file of an unknown kind, first bytes {start[:9]!r}"
