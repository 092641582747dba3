"""ASGI middleware of every request: context, limits, headers, access log."""
