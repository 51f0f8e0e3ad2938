"""Bulk work of the scheduler: arrays in, decisions out; no clock, randomness or state."""
