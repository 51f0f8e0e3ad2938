"""How fast data moves between sites, as the operator says."""
