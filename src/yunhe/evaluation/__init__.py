"""Held-out splits, baselines, statistics and gates."""
