"""What encoding and decoding share about samples: tiles, masks, bounds."""
