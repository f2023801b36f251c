"""The base layer: its models, and the normalisation of tiles for them."""
