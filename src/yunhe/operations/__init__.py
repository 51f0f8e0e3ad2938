"""Keeps a platform running: processes, worker, health, backup, restore, erasure."""
