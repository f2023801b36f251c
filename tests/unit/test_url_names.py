"""What is taken for a URL, and the name that its file gets here."""

from __future__ import annotations

from pathlib import Path

import pytest

from radcodec.errors import InputError
from radcodec.runtime.given_files import is_url
from radcodec.runtime.paths import restored_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/deep/x.fits.rcz", "x.fits"),
        ("https://host/x%20y.rcz", "x y.fits"),
        ("https://host/x.rcz?token=a/b.rcz", "x.fits"),
        ("s3://bucket/x.fits.gz.rcz", "x.fits"),
        ("simplecache::s3://bucket/folder/x.rcz", "x.fits"),
        ("zip://inner/x.rcz::https://host/all.zip", "x.fits"),
        ("memory:///x.fits.fz.rcz", "x.fits.fz"),
    ],
)
def test_the_file_of_a_url_goes_to_the_current_folder(url: str, name: str) -> None:
    """The restored file has the last part of the path, without the query, folders and .rcz."""
    assert is_url(url)
    assert restored_name(url) == name


@pytest.mark.parametrize(
    "url", ["https://host/", "https://host/x.fits", "https://host/.rcz", "https://host/list?x.rcz"]
)
def test_urls_that_name_no_file(url: str) -> None:
    """A URL without a name that ends in .rcz needs an output."""
    with pytest.raises(InputError, match=r"expected a name that ends in \.rcz"):
        restored_name(url)


@pytest.mark.parametrize(
    "name", ["x.rcz", "a/b.rcz", "C:\\data\\x.rcz", "C://x.rcz", "/a:b.rcz", "::x.rcz", "1://x.rcz", ""]
)
def test_names_of_files(name: str) -> None:
    """Paths of any system, and names with colons, are no URLs."""
    assert not is_url(name)


def test_a_name_that_is_there_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the name of a file looks like, it is a file; other objects are no URLs."""
    monkeypatch.chdir(tmp_path)
    assert is_url("zip::b.rcz")
    Path("zip::b.rcz").touch()
    assert not is_url("zip::b.rcz")
    assert not is_url(Path("https://host/x.rcz"))
    assert not is_url(b"https://host/x.rcz")
