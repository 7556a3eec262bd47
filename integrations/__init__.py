"""Outside systems, one a module; nothing in the server imports them."""
