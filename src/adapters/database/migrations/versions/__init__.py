"""The migrations from an empty database to the latest schema."""
