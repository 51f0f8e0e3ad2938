"""Yunhe: run a public AI programme with one chain of custody."""
