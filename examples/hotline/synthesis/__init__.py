"""How synthetic hotline tickets are made; ``../generate.py`` is the door."""
