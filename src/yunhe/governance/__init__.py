"""Risk tiers, measures due and release approvals."""
