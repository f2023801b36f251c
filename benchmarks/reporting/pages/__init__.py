"""The generated part of each page: a function from result rows to Markdown."""
