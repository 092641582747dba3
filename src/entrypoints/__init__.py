"""Entrypoints: the facades for Python programs, HTTP, and the command line."""
