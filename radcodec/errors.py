"""All exceptions that radcodec raises on purpose.

::

    RadcodecError
    +-- InputError (ValueError)       the input cannot be compressed as requested
    |   +-- UnsupportedDataError      not FITS, or a dtype that no mode supports
    |   +-- BoundError                a bound, bit-rate or unit that cannot be met
    +-- FormatError (ValueError)      a malformed .rcz file
    |   +-- NotRadcodecError          the magic is missing
    |   +-- UnsupportedVersionError   written in another version or draft
    |   +-- TruncatedError            the file ends too early
    |   +-- CorruptError              a checksum or an invariant is wrong
    |   +-- LimitError                a declared size is over a cap of ``limits``
    +-- ModelError
    |   +-- ModelNotFoundError        the file names a model that is not installed
    |   +-- ModelMismatchError        its SHA-256 or its arithmetic differs
    +-- GuaranteeError                our own output failed its check; nothing is written

Messages say what was expected, what was found, where, and what to do.
"""

from __future__ import annotations


class RadcodecError(Exception):
    """Base of all errors that radcodec raises on purpose."""


class InputError(RadcodecError, ValueError):
    """The input or an option does not allow compression as requested."""


class UnsupportedDataError(InputError):
    """The input is not FITS, or holds data that radcodec does not support."""


class BoundError(InputError):
    """The requested bound, bit-rate or unit cannot be met.

    ``too_coarse``: the bound exceeds 10 times the noise of an image and is not forced.
    """

    def __init__(self, message: str, *, too_coarse: bool = False) -> None:
        super().__init__(message)
        self.too_coarse = too_coarse


class FormatError(RadcodecError, ValueError):
    """A .rcz stream is malformed."""


class NotRadcodecError(FormatError):
    """The stream does not start with the radcodec magic."""


class UnsupportedVersionError(FormatError):
    """The stream was written in a format version that this reader does not know."""


class TruncatedError(FormatError):
    """The stream ends before its declared end."""


class CorruptError(FormatError):
    """A checksum or an invariant of the format is wrong."""


class LimitError(FormatError):
    """A declared size exceeds a cap in ``radcodec.limits``."""


class ModelError(RadcodecError):
    """A model is missing or does not match."""


class ModelNotFoundError(ModelError):
    """The requested model is not installed."""


class ModelMismatchError(ModelError):
    """The model's SHA-256, or the result of its integer arithmetic, differs."""


class GuaranteeError(RadcodecError):
    """Our own output failed its check, so nothing was written."""
