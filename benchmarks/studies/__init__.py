"""Finished experiments, with what each found in README.md; none is part of ``python -m benchmarks all``."""
