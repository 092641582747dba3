"""The view of a Django project that Vestibule asks at the first login of each of its users.

Copy it into the project, with `path("vestibule/check-password/", check_password)` in `urls.py`, and give Vestibule that URL as
VESTIBULE_LEGACY_DIRECTORY_URL and the secret as VESTIBULE_LEGACY_DIRECTORY_SECRET.
"""

import hmac
import json
import os

from django.contrib.auth import authenticate, get_user_model
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

SECRET = os.environ["VESTIBULE_LEGACY_DIRECTORY_SECRET"]  # `openssl rand -hex 32`


@csrf_exempt
@require_POST
def check_password(request: HttpRequest) -> JsonResponse:
    authorization = request.headers.get("Authorization", "")
    if not hmac.compare_digest(authorization.encode(), f"Bearer {SECRET}".encode()):
        return JsonResponse({}, status=403)
    question = json.loads(request.body)
    known = user_with(question["identifier"])
    if known is None:
        return JsonResponse({"result": "unknown"})
    user = authenticate(request, username=known.get_username(), password=question["password"])
    if user is None:  # or is not active
        return JsonResponse({"result": "wrong"})
    account = {
        "key": user.pk,
        "id": user.pk,
        "username": user.get_username(),
        "name": user.get_full_name(),
        "email": user.email,
        "email_verified": False,  # True only if the project has verified it
        "created_at": user.date_joined.timestamp(),
    }
    return JsonResponse({"result": "right", "account": account})


def user_with(identifier: str):  # type: ignore[no-untyped-def]
    """Returns the user with that username, else the only one with that email."""
    users = get_user_model().objects
    found = list(users.filter(username=identifier)[:1] or users.filter(email__iexact=identifier)[:2])
    return found[0] if len(found) == 1 and identifier else None
