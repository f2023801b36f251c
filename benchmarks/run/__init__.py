"""Sizes: codecs at equal demands (tracks), whole files, tools at their defaults, and bits against error."""
