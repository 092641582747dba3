"""A Django project, with drf-user or with Django's own users: makes databases and logs in as these packages do.

It runs in an environment of its own: `python django_site.py COMMAND`, which prints one JSON document. DATABASE is a file or the
URL of a PostgreSQL database. USERS is `drf_user.User` or `auth.User`. TIME_ZONE turns USE_TZ off.
"""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

USERS = os.environ.get("USERS", "drf_user.User")
IS_DRF_USER = USERS == "drf_user.User"
FIRST_JOINED = datetime(2019, 3, 31, 1, 30, 0, 250_000)  # noqa: DTZ001 — of the project's time zone
"""The wall-clock time at which the first user joined; each later one joined a day later."""


HASHERS = ("Argon2", "PBKDF2", "PBKDF2SHA1", "BCrypt", "BCryptSHA256", "Scrypt", "MD5")
ALGORITHMS = ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt", "bcrypt_sha256", "scrypt", "md5")


def database():
    text = os.environ["DATABASE"]
    if not text.startswith("postgres"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": text}
    parts = urlsplit(text)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": parts.username,
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname,
        "PORT": parts.port or 5432,
    }


def configure():
    settings.configure(
        SECRET_KEY="a secret of the tests that protects nothing at all",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            *(["drf_user", "rest_framework", "django_filters"] if IS_DRF_USER else []),
        ],
        AUTH_USER_MODEL=USERS,
        AUTHENTICATION_BACKENDS=[
            "drf_user.auth.MultiFieldModelBackend" if IS_DRF_USER else "django.contrib.auth.backends.ModelBackend"
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS],
        USE_TZ="TIME_ZONE" not in os.environ,
        TIME_ZONE=os.environ.get("TIME_ZONE", "UTC"),
        EMAIL_HOST="localhost",
        EMAIL_FROM="no-reply@example.com",
        USER_SETTINGS={"DEFAULT_ACTIVE_STATE": True, "MOBILE_OPTIONAL": True},
        DATABASES={"default": database()},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    )
    django.setup()


configure()

from django.contrib.auth import authenticate, get_user_model, hashers
from django.contrib.auth.models import Group, Permission
from django.db.migrations.executor import MigrationExecutor

hashers.PBKDF2PasswordHasher.iterations = hashers.PBKDF2SHA1PasswordHasher.iterations = 2000  # cheap, as no project has it
hashers.BCryptPasswordHasher.rounds = hashers.BCryptSHA256PasswordHasher.rounds = 5


def fill(migration):
    """Migrates to that migration of drf-user, and adds users; returns the password of each, null if it has none."""
    call_command("migrate", "auth", verbosity=0)
    call_command("migrate", "drf_user", migration, verbosity=0)
    state = MigrationExecutor(connection).loader.project_state([("drf_user", full_name(migration))])
    model, codes = (state.apps.get_model("drf_user", one) for one in ("User", "OTPValidation"))
    has_images = migration >= "0007"
    passwords = {}

    def add(username, password, stored=None, **values):
        number = len(passwords) + 1
        fields = {
            "username": username,
            "name": f"Person {number}",
            "email": f"{username}@example.com".lower(),
            "mobile": f"93000000{number:02}",
            "is_active": True,
            "password": password if stored is None else stored,
        } | values
        if not has_images:
            fields.pop("profile_image", None)
            fields["mobile"] = f"93000000{number:02}" if fields["mobile"] is None else fields["mobile"]
        user = model.objects.create(**fields)
        joined = FIRST_JOINED + timedelta(days=number - 1)
        model.objects.filter(pk=user.pk).update(date_joined=joined.replace(tzinfo=UTC) if settings.USE_TZ else joined)
        passwords[user.pk] = password
        return user

    for algorithm in ALGORITHMS:
        password = f"Right password of {algorithm}"
        add(f"by_{algorithm}", password, hashers.make_password(password, hasher=algorithm))
    known = hashers.make_password("Right password 17", hasher="pbkdf2_sha256")
    right = "Right password 17"
    add("unusable", None, hashers.make_password(None))
    add("empty", None, "")
    add("raw", None, "Raw text in the column")
    add("unknown_hasher", None, "crypt$$abcdefgh")
    add("blanks", " Blank-pass-33 ", hashers.make_password(" Blank-pass-33 ", hasher="pbkdf2_sha256"))
    add("Twin", right, known, email="Twin@example.com", mobile="+91 93000 11111")
    add("twin", right, known, email="twin@example.com", mobile="(0) 93000-11111")
    add("caf\u00e9", right, known, email="cafe1@example.com")
    add("cafe\u0301", right, known, email="cafe2@example.com")
    add("free_text", right, known, mobile="not a number")
    add("no_mobile", right, known, mobile="")
    add("null_mobile", right, known, mobile=None)
    add("9300000001", right, known, email="digits@example.com")  # the mobile of the first user
    add("by_pbkdf2_sha256@example.com", right, known, email="email-like@example.com")  # the email of the first user
    add("no_name", right, known, name="")
    add("bad_email", right, known, email="no address")
    add("inactive", right, known, is_active=False)
    add("staff", right, known, is_staff=True)
    add("root", right, known, is_staff=True, is_superuser=True)
    add("image", right, known, profile_image="user_images/face.png")
    add("lost_image", right, known, profile_image="user_images/lost.png")
    add("thief", right, known, profile_image="../secret.png")
    editors, readers = (Group.objects.create(name=name) for name in ("Editors", "Readers of the news"))
    through = model.groups.through
    role = "role_id" if hasattr(through, "role_id") else "group_id"
    first, second = sorted(passwords)[:2]
    for user, group in ((first, editors), (first, readers), (second, readers)):
        through.objects.create(user_id=user, **{role: group.pk})
    right_of = Permission.objects.order_by("pk").first()
    editors.permissions.add(right_of)
    model.user_permissions.through.objects.create(user_id=first, permission_id=right_of.pk)
    validated = ("by_pbkdf2_sha256@example.com", True), ("9300000002", True), ("by_argon2@example.com", False)
    for number, (destination, is_validated) in enumerate(validated):
        codes.objects.create(
            otp=f"0000{number}",
            destination=destination,
            is_validated=is_validated,
            reactive_at=FIRST_JOINED.replace(tzinfo=UTC) if settings.USE_TZ else FIRST_JOINED,
        )
    if migration >= "0008":
        call_command("migrate", verbosity=0)
    return passwords


def full_name(migration):
    return next(
        name
        for app, name in MigrationExecutor(connection).loader.disk_migrations
        if app == "drf_user" and name.startswith(migration)
    )


def fill_own():
    """Adds users of Django's own model."""
    call_command("migrate", verbosity=0)
    model = get_user_model()
    ada = model.objects.create_user("ada", "ada@example.com", "Right password 17", first_name="Ada", last_name="Lovelace")
    model.objects.create_superuser("root", "", "Right password 18")
    ada.groups.add(Group.objects.create(name="Editors"))
    return {one.pk: f"Right password {16 + one.pk}" for one in model.objects.order_by("pk")}


def load(path):
    call_command("migrate", verbosity=0)
    call_command("loaddata", path, verbosity=0)
    return users()


def users():
    names = ["username", "email", "is_active", "is_staff", "is_superuser", "password"]
    names += ["name", "mobile"] if IS_DRF_USER else ["first_name", "last_name"]
    return {
        one.pk: {name: getattr(one, name) for name in names} | _shown(one) for one in get_user_model().objects.order_by("pk")
    }


def _shown(user):
    image = {"profile_image": str(user.profile_image)} if IS_DRF_USER else {}
    return {"groups": sorted(user.groups.values_list("name", flat=True)), "joined": user.date_joined.timestamp(), **image}


def log_in(username, password):
    user = authenticate(username=username, password=password)
    return None if user is None else user.pk


if __name__ == "__main__":
    commands = {one.__name__: one for one in (fill, fill_own, load, users, log_in)}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
