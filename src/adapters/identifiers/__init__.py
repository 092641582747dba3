"""Usernames, emails, mobile numbers and names (port `Identifiers`), by PRECIS, email-validator and phonenumbers."""

from .library import LibraryIdentifiers

__all__ = ["LibraryIdentifiers"]
