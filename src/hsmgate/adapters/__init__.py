"""Keystores, databases, files: everything that touches the world outside."""
