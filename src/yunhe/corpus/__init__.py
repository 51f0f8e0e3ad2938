"""Cleansing of text with a reason for every decision, and dataset certificates."""
