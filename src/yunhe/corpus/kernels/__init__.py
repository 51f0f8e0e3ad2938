"""Bulk text work: buffers in, arrays out; no clock, randomness, files or globals that change."""
