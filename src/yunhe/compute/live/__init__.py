"""Work while it runs: output as it comes, commands inside it, sessions, and what stands idle."""
