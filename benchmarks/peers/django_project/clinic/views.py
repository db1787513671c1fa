"""The views, written without a framework on top of Django, as in django-tenants' examples."""

import json
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

import jwt
from django.forms import ModelForm
from django.http import HttpRequest, JsonResponse

from benchmarks.peers.django_project.clinic.models import FIELDS, Member, Patient
from benchmarks.peers.issuer import may, settings_of_app

_settings = settings_of_app()
_key = jwt.PyJWKSet.from_dict(_settings.keys).keys[0]

View = Callable[..., JsonResponse]


class PatientForm(ModelForm):
    """The fields that a client may send."""

    class Meta:
        model = Patient
        fields = ("mrn", "given_name", "family_name", "birth_date", "sex", "phone", "address")


def for_members(view: View) -> View:
    """Refuse requests without a token of a member who has the permission."""

    @wraps(view)
    def authorized(request: HttpRequest, **parameters: Any) -> JsonResponse:
        raw = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                raw, _key, ["RS256"], audience=_settings.audience, issuer=_settings.issuer
            )
        except jwt.InvalidTokenError:
            return JsonResponse({"detail": "Missing or invalid token."}, status=401)
        member = Member.objects.filter(issuer=claims["iss"], subject=claims["sub"]).first()
        if member is None or not may(member.role, request.method or ""):
            return JsonResponse({"detail": "Forbidden."}, status=403)
        return view(request, **parameters)

    return authorized


@for_members
def patient(_request: HttpRequest, patient_id: uuid.UUID) -> JsonResponse:
    """Show one patient."""
    found = Patient.objects.filter(id=patient_id).values(*FIELDS).first()
    if found is None:
        return JsonResponse({"detail": "Not found."}, status=404)
    return JsonResponse(found)


@for_members
def patients(request: HttpRequest) -> JsonResponse:
    """List patients, or create one."""
    if request.method == "POST":
        return _create(request)
    limit = min(int(request.GET.get("limit", 50)), 200)
    rows = list(Patient.objects.order_by("id").values(*FIELDS)[: limit + 1])
    page = {"next": str(rows[limit - 1]["id"]), "has_more": True} if len(rows) > limit else None
    return JsonResponse({"data": rows[:limit], "page": page})


def _create(request: HttpRequest) -> JsonResponse:
    form = PatientForm(json.loads(request.body))
    if not form.is_valid():
        return JsonResponse(form.errors, status=422)
    created = form.save(commit=False)
    created.source_id = str(created.id)
    created.save(force_insert=True)
    return JsonResponse({name: getattr(created, name) for name in FIELDS}, status=201)
