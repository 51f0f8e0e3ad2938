"""Cities of a programme: which there are, and which one each organisation belongs to."""
