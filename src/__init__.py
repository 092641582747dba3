"""Vestibule: user accounts to run as a service or to import as use cases.

`vestibule.application` holds what may be asked; `vestibule.entrypoints.build` makes it ready to use on given settings.
"""
