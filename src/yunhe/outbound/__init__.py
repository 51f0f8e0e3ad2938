"""The one guarded way out to addresses that a user can name."""
