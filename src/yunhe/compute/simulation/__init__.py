"""Traces in, the production scheduling engine, figures out."""
