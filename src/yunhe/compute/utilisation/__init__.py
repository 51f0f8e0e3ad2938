"""How much of the devices that work holds it really uses, where instruments say so."""
