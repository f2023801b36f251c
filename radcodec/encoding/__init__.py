"""An array or a FITS file to the contents of a ``.rcz`` file."""
