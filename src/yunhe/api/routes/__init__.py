"""One file of routes a floor."""
