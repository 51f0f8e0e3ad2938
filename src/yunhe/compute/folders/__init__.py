"""Working folders where jobs run: laid out from their manifest, and what is kept of them."""
