"""Who waits, in which order, for what, and until when."""
