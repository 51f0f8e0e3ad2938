"""Secrets of workloads, by reference, encrypted at rest."""
