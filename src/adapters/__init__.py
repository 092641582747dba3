"""The world: one folder a port; folders do not know each other."""
