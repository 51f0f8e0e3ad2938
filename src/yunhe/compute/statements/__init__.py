"""Settlement: what was used and what it cost; invoices, statements, matching, export."""
