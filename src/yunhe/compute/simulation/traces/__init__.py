"""Readers of public traces, one module a format."""
