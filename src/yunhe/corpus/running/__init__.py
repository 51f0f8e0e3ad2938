"""How a cleansing runs: units of work, who does them, what lies on disk in between."""
