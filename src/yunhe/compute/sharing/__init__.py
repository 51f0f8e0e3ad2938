"""Fair share in the long run: what its parts weigh and used, and how cities come out."""
