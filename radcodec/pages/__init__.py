"""Pages for a browser: the report about a file, the list of a folder and the viewer. No script is from elsewhere."""
