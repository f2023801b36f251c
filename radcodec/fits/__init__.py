"""Parse FITS files as byte ranges: units, header cards, checksums, cut-outs. No pixel is coded here."""
