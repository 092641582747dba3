"""What people type as username, email, mobile and name: by PRECIS, email-validator and phonenumbers."""

from .library import LibraryIdentifiers

__all__ = ["LibraryIdentifiers"]
