"""Organisations, members, roles and keys."""
