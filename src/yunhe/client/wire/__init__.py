"""What goes over HTTP, said once: the API serves these types, the client reads them."""
