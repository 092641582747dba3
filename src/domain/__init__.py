"""What an account is. Standard library only: no I/O, no clock, no randomness, no settings."""
