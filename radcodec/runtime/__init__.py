"""Compiled kernels, threads, output files and package data."""
