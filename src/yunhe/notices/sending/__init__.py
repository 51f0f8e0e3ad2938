"""Deliveries: made of notices, claimed, sent, tried again."""
