"""Passes of the scheduler over what waits: when they run, who may, and how their word is kept."""
