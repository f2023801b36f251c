"""Bridges to other libraries: one module each, imported by nobody at top level."""
