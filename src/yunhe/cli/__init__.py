"""The command line: it translates between people and floors and decides nothing."""
