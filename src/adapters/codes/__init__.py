"""Codes and keyed digests, derived by HMAC instead of stored."""

from .codes import CodeSecrets, HmacCodes

__all__ = ["CodeSecrets", "HmacCodes"]
