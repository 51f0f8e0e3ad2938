"""By which rules the platform's scheduler decides, who said so, and when."""
