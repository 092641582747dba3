"""Adapters: one folder per port; the folders do not know each other, and share the modules next to them."""
