"""The ``.rcz`` container: knows sections, records and streams, but no pixel."""
