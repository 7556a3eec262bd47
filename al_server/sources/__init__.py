"""Where samples come from: folders, tables, ready embeddings."""
