"""Money of a programme: set aside with an award, paid against evidence, lapsed."""
