"""The base layer: its models, and how tiles are normalised for them."""
