"""Declarative end-to-end plans: one file describes the chain from raw text to an answer."""
