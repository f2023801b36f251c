"""The ``.rcz`` container: sections, records and streams; it never decodes pixels."""
