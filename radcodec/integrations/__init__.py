"""What radcodec is for other libraries: one module each, imported by nobody before it is needed."""
