"""Entropy coders and integer codes."""
