"""Serves the project of `django_site.py`, with the calls of drf-user below `/api/user/`: `python http_site.py PORT`."""

import sys

from django_site import settings

settings.ROOT_URLCONF = __name__
settings.ALLOWED_HOSTS = ["127.0.0.1"]
settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]}

from django.core.servers.basehttp import run
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [path("", lambda _: HttpResponse("the site")), path("api/user/", include("drf_user.urls"))]

if __name__ == "__main__":
    run("127.0.0.1", int(sys.argv[1]), get_wsgi_application(), threading=True)
