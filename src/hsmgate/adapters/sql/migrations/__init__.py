"""Alembic's environment, carried as package data."""
