"""What a cleansed dataset is, for people (one page) and for programs (Croissant)."""
