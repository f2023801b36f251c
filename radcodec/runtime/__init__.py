"""The native core, threads, output files and package data."""
