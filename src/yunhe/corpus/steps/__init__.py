"""One step of cleansing per module, each with a ``STEP``; a profile names the ones it wants."""
