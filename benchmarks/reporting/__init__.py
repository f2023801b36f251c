"""Markdown tables and an HTML page from the rows in ``benchmarks/results``."""
