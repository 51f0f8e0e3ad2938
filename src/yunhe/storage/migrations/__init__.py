"""The history of the schema, oldest first; every floor's tables are in it."""
