"""Configures Django once for all tests here, before they import what reads its settings."""

from types import ModuleType

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=ModuleType("urls"),
    SECRET_KEY="only a test",
    MIDDLEWARE=[],
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},  # there are no users of Django
)
django.setup()
