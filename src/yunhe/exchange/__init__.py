"""Listings, orders, contracts, grants and access to datasets."""
