"""The routes."""

from django.urls import path

from benchmarks.peers.django_project.clinic.views import patient, patients

urlpatterns = [
    path("api/v1/patients", patients),
    path("api/v1/patients/<uuid:patient_id>", patient),
]
