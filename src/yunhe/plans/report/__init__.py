"""Turns what a run left behind into the plain values of a report."""
