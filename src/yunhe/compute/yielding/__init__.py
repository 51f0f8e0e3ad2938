"""Work that makes room for other work: who is asked, and what becomes of it."""
