"""Entropy coding: the compiled ANS coder."""
