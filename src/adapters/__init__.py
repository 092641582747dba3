"""Adapters: one folder per port; the folders do not import each other, and share the modules next to them."""
