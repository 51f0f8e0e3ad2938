"""Registry, training entry points and the serving gateway."""
