"""Names of devices (port `Devices`), by the rules of ua-parser."""

from .ua_parser import UaParserDevices

__all__ = ["UaParserDevices"]
