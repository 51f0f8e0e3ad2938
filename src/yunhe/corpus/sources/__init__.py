"""Supervision of collection: where data comes from, on what terms, and whether it may be used."""
