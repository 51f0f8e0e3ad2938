"""Keys, sessions, invitations and links to sign-in providers: every way in, as rows."""
