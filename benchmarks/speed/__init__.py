"""Speed and memory: codecs side by side on simulated images, the base layer, and whole commands."""
