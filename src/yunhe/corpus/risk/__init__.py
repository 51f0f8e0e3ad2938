"""Risk keywords: the 31 classes of GB/T 45654, libraries of words, and how they are found."""
