"""The commands of `al-server`, one a file."""
