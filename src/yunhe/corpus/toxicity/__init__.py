"""A toxicity classifier that the operator trains on their own labels."""
