"""The typed HTTP client, for the command line, other programs and federation."""
