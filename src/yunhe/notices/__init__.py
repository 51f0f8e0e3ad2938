"""Tells people what waits for them: feed, e-mail, signed webhooks."""
