"""What other libraries need to read ``.rcz`` files, one module for each; none is imported before it is asked for."""
