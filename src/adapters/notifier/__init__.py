"""Delivery of messages (port `Notifier`): by SMTP, as SMS by Apprise, to a webhook, into a directory, or into memory."""

from .channels import ChannelNotifier
from .file import FileNotifier, StoredMessage, read_files
from .mail import read_sender
from .memory import MemoryNotifier
from .rate_limited import RateLimitedNotifier
from .sms import AppriseNotifier, ProbeRequest
from .smtp import SmtpNotifier
from .smtp_url import SmtpServer
from .templates import Templates
from .webhook import WebhookNotifier, read_secrets

__all__ = [
    "AppriseNotifier",
    "ChannelNotifier",
    "FileNotifier",
    "MemoryNotifier",
    "ProbeRequest",
    "RateLimitedNotifier",
    "SmtpNotifier",
    "SmtpServer",
    "StoredMessage",
    "Templates",
    "WebhookNotifier",
    "read_files",
    "read_secrets",
    "read_sender",
]
