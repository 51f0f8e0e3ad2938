"""Device time of an award over its windows: opened, carried over, decayed, reissued."""
