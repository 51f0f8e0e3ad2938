"""HTTP: routes, errors, limits and who may call what."""
