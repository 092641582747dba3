"""The doctor: whether the service can run as it is set up, and what to do where it cannot.

`diagnosis.diagnose` runs every check; `startup` has those that the start of the server shares.
"""
