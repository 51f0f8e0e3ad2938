"""What long operations do, one file for each kind."""
