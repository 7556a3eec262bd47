"""The strategy lab: whether active learning would have saved labels here, and by which strategy."""
