"""Decode a ``.rcz`` file to arrays, pictures and the restored FITS file."""
