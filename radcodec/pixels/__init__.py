"""Properties of samples that encoding and decoding share: tiles, masks, bounds, noise."""
