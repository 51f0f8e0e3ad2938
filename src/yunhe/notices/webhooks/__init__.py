"""Addresses of organisations that get signed copies of their notices."""
