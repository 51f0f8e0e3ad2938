"""Near-duplicates of a whole corpus, settled in stages on disk within a given memory."""
