"""Boxes around objects in images, as the tools of others write them: one format a file."""
