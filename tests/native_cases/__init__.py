"""Calls of the native core as bytes, and the C programs that carry them out."""
