"""What to say where a package of an extra is not installed."""

from __future__ import annotations


def missing_extra(extra: str, error: ImportError) -> ImportError:
    """Make the error that names the extra to install.

    Examples
    --------
    >>> str(missing_extra("serve", ImportError(name="starlette")))
    'expected starlette, which is not installed: pip install "radcodec[serve]"'
    """
    text = f'expected {error.name or "a package"}, which is not installed: pip install "radcodec[{extra}]"'
    return ImportError(text, name=error.name)
