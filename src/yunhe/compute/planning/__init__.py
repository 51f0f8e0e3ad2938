"""The slow plan of a platform: made every few minutes, audited, kept, and followed by passes."""
