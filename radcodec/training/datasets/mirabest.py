"""MiraBest: FR I and FR II radio galaxies of the VLA FIRST survey, 150 x 150 pixels of 1.8 arcsec, 8 bits.

There are two published versions. ``mirabest``: 792 confidently classified galaxies of standard morphology, classes FRI
and FRII. ``mirabest-f``: all 1256, in ten classes named by their three-digit codes. Both have pixels below 3 sigma set
to 0, and the middle cut out and scaled to 0..255.

A galaxy's name holds its code and position, and in FITS files also redshift and size in arcsec:
``100_124.729+020.106_0.0755_0033.11``, in the older batches ``100_124.729_+020.106``. The digits of a code: FR class
(1 FRI, 2 FRII, 3 hybrid), confidence (0 confident, 1 uncertain), morphology (0 standard, 1 double-double, 2 wide-angle
tail, 4 head-tail).

References
----------
Porter and Scaife 2023, arXiv:2305.11108. Addresses and hashes: MiraBest.py and
MiraBest_F.py of github.com/fmporter/MiraBest and MiraBest_builder. Digits of the codes: README of the latter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from radcodec.errors import InputError
from radcodec.training.datasets.archives import Archive, BatchFile
from radcodec.training.datasets.batches import BatchSet

#: Names of a code's first digit, in its order; the labels of ``mirabest`` and of the FITS images.
FR_CLASSES = ("FRI", "FRII", "hybrid")
#: Images were set to 0 below this many sigma (mirabest_processing.py of MiraBest_builder).
CUT_SIGMA = 3.0
_MORPHOLOGIES = {"0": "standard", "1": "double-double", "2": "wide-angle tail", "4": "head-tail"}
_NAME = re.compile(
    r"(?P<code>[123][01]\d)_(?P<ra>\d{3}\.\d+)_?(?P<dec>[+-]\d{3}\.\d+)(?:_(?P<z>\d+\.\d+)_(?P<size>\d+\.\d+))?"
)

# The archive's MD5 and those of its files were also verified on a copy of the archive.
MIRABEST = BatchSet(
    archive=Archive(
        file="batches.tar.gz",
        url="http://www.jb.man.ac.uk/research/MiraBest/batches.tar.gz",
        md5="fa9d6ad8fdde95b0a19df11433e8bca3",
        folder="batches",
        train=(
            BatchFile(name="data_batch_1", md5="c8553f5c39137ba41dc302be689fa425"),
            BatchFile(name="data_batch_2", md5="07a11c5cae9036d41a4241722be20fdb"),
            BatchFile(name="data_batch_3", md5="162c84378d8357c4d2456db8cdae3920"),
            BatchFile(name="data_batch_4", md5="1ad4b501088a6d7f8b72f5079b6fdacf"),
            BatchFile(name="data_batch_5", md5="e1807ceb56507a1f4b75a9db746115cd"),
            BatchFile(name="data_batch_6", md5="1fd032d36f34d1090c153bf6ea126f65"),
            BatchFile(name="data_batch_7", md5="fe6af26ec520a988087c1d23d645cf83"),
            BatchFile(name="data_batch_8", md5="3466396ca190e7c36b47fbb9c4067dbf"),
        ),
        test=(BatchFile(name="test_batch", md5="58e771ce101c4cbe8595b214d0cf02c3"),),
        meta=BatchFile(name="batches.meta", md5="712f770028e9a0eaac781559b0583435"),
    ),
    side_px=150,
    bands=1,
    cut_sigma=CUT_SIGMA,
    has_labels=True,
)

MIRABEST_F = BatchSet(
    archive=Archive(
        file="MiraBest_F_batches.tar.gz",
        url="http://www.jb.man.ac.uk/research/MiraBest/MiraBest_F/MiraBest_F_batches.tar.gz",
        md5="7d4e3a623d29db7204bce81676ee8ce2",
        folder="F_batches",
        train=(
            BatchFile(name="data_batch_1", md5="f7a470b7367e8e0d0c5093d2cf266d54"),
            BatchFile(name="data_batch_2", md5="bb65ecd7e748e9fb789419b1efbf1bab"),
            BatchFile(name="data_batch_3", md5="32de1078e7cd47f5338c666a1b563ede"),
            BatchFile(name="data_batch_4", md5="a1209aceedd8806c88eab27ce45ee2c4"),
            BatchFile(name="data_batch_5", md5="1619cd7c54f5d71fcf4cfefea829728e"),
            BatchFile(name="data_batch_6", md5="636c2b84649286e19bcb0684fc9fbb01"),
            BatchFile(name="data_batch_7", md5="bc67bc37080dc4df880ffe9720d680a8"),
        ),
        test=(BatchFile(name="test_batch", md5="ac7ea0d5ee8c7ab49f257c9964796953"),),
        meta=BatchFile(name="batches.meta", md5="e1b5450577209e583bc43fbf8e851965"),
    ),
    side_px=150,
    bands=1,
    cut_sigma=CUT_SIGMA,
    has_labels=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Galaxy:
    """The parts of a name: three-digit code, right ascension and declination in degrees, redshift, size in arcsec.

    The last two are None in names of the older batches.
    """

    code: str
    ra_deg: float
    dec_deg: float
    redshift: float | None
    size_arcsec: float | None

    @property
    def label(self) -> int:
        """Index into FR_CLASSES: 0 FRI, 1 FRII, 2 hybrid."""
        return int(self.code[0]) - 1

    @property
    def confident(self) -> bool:
        """Whether the class was given with confidence."""
        return self.code[1] == "0"

    @property
    def morphology(self) -> str:
        """Shape beyond the class; its digit where the digit has no name."""
        return _MORPHOLOGIES.get(self.code[2], self.code[2])


def parse_name(name: str) -> Galaxy:
    """Parse the name of a MiraBest image; folders before it and a suffix after it do not matter.

    Raises
    ------
    InputError
        It is not such a name.
    """
    found = _NAME.match(name.replace("\\", "/").rsplit("/", 1)[-1])
    if found is None:
        raise InputError(f"expected a MiraBest name such as 100_124.729+020.106_0.0755_0033.11, found {name!r}")
    return Galaxy(
        code=found["code"],
        ra_deg=float(found["ra"]),
        dec_deg=float(found["dec"]),
        redshift=None if found["z"] is None else float(found["z"]),
        size_arcsec=None if found["size"] is None else float(found["size"]),
    )
