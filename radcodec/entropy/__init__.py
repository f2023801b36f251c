"""Entropy coding: the ANS coder."""
