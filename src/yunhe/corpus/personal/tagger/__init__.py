"""Person names by a tagger that the operator trains."""
