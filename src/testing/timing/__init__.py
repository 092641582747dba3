"""Measures whether response times reveal the existence of an account."""
