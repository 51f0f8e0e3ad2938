"""Checks of a certified dataset by people, and by rules: what GB/T 45654 asks of a corpus."""
