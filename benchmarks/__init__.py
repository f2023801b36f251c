"""Measurements of radcodec beside its rivals; not installed with the library."""
