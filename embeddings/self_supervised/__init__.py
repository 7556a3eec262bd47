"""Networks that learn from a person's own images, without labels."""
