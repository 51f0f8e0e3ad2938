"""Ids, clock, units, errors, canonical bytes and language: the standard library only."""
