"""Inference services: as many replicas of a workload as their load needs, within their budget."""
