"""One module per input format; each turns blocks of bytes into record batches."""
