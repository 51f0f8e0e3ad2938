"""Kernels in machine code: declared in Python, compiled by numba once, kept until they change."""
