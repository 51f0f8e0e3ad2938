"""Guaranteed windows of awards: devices that are somebody's from one instant until another."""
