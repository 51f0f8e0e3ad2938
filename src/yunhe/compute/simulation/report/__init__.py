"""The page and the table that show what policies made of a trace."""
