"""Alembic's scripts; `vestibule.adapters.database.migration` runs them."""
