"""Work that another platform hands over here: taken once under its own name, watched, proved."""
