"""Codes and keyed digests, derived by HMAC instead of stored."""

from .codes import HmacCodes

__all__ = ["HmacCodes"]
