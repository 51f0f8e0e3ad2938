"""Append-only Merkle log (RFC 6962), signed checkpoints, receipts and their verifier."""
