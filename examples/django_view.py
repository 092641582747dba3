"""A Django view that calls the blocking use cases.

    python examples/django_view.py runserver

The use cases are opened once in each process, on first use, and closed when the process exits.
"""

import atexit
import os
import sys
from functools import cache
from pathlib import Path

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import execute_from_command_line
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

import vestibule


@cache
def accounts() -> vestibule.Vestibule:
    build = vestibule.build(vestibule.Settings(data_dir=Path(os.environ.get("DATA_DIR", "data"))))
    atexit.register(build.close)
    return build.open()


def caller_of(request: HttpRequest) -> vestibule.Caller:
    return vestibule.Caller(request.META.get("REMOTE_ADDR"), request.headers.get("User-Agent"))


@csrf_exempt
def register(request: HttpRequest) -> JsonResponse:
    fields = {name: request.POST.get(name, "") for name in ("username", "name", "email", "password")}
    try:
        account = accounts().register(**fields, caller=caller_of(request))
    except vestibule.InvalidInput as refusal:
        return JsonResponse({"errors": refusal.errors}, status=400)
    except vestibule.RateLimited as refusal:
        return JsonResponse({"again_in": refusal.retry_after}, status=429)
    return JsonResponse({"id": account.id}, status=201)


@csrf_exempt
def log_in(request: HttpRequest) -> JsonResponse:
    name, password = request.POST.get("username", ""), request.POST.get("password", "")
    try:
        tokens = accounts().log_in(username=name, password=password, caller=caller_of(request))
    except vestibule.Refusal as refusal:
        return JsonResponse({"detail": refusal.detail}, status=401)
    return JsonResponse({"token": tokens.access_token})


urlpatterns = [path("register/", register), path("log-in/", log_in)]
settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY=os.environ.get("SECRET_KEY", "for this example")
)
application = WSGIHandler()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
