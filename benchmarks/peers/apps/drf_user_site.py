"""drf-user in a Django project of one file, as in its documentation, with the benchmark's cost of passwords."""

import os
import sys

import django
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.http import HttpResponse
from django.urls import include, path


class Hasher(Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = (int(word) for word in os.environ["COST"].split(","))


# Django loads the hasher by its name.
sys.modules["drf_user_site"] = sys.modules[__name__]

if not settings.configured:
    settings.configure(
        DEBUG=False,
        SECRET_KEY="a secret of the benchmark that protects nothing at all",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="drf_user_site",
        AUTH_USER_MODEL="drf_user.User",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "drf_user",
            "rest_framework",
            "django_filters",
        ],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        PASSWORD_HASHERS=["drf_user_site.Hasher"],
        AUTHENTICATION_BACKENDS=["drf_user.auth.MultiFieldModelBackend"],
        REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]},
        EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
        EMAIL_HOST="localhost",
        EMAIL_FROM="no-reply@example.com",
        USER_SETTINGS={
            "DEFAULT_ACTIVE_STATE": True,
            "MOBILE_OPTIONAL": True,
            "MOBILE_VALIDATION": False,
            "EMAIL_VALIDATION": False,
            "REGISTRATION": {"SEND_MAIL": False, "SEND_MESSAGE": False},
        },
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.environ["DATABASE"],
                "CONN_MAX_AGE": None,
                "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = WAL"},
            }
        },
    )
    django.setup()

    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    if os.environ.get("MIGRATE"):
        call_command("migrate", verbosity=0, interactive=False)
    application = get_wsgi_application()

urlpatterns = [path("ready", lambda _: HttpResponse("ok")), path("api/user/", include("drf_user.urls"))]
