"""The images that are measured: sets of FITS files, simulated images, and where the public files come from."""
