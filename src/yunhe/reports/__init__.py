"""Pages and charts from plain data."""
