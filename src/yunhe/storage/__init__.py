"""Database, blobs, leases and idempotency keys: where every floor keeps its state."""
