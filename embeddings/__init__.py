"""Pretrained networks and simple maps that turn images and texts into vectors."""
