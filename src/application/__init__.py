"""What may be asked: the use cases and the refusals, the public Python API."""
