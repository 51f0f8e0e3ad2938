"""Drives jobs at distant providers: no thread per job, nothing lost or paid twice by a crash."""
