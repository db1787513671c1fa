"""The tables of each tenant: the same columns and indexes as in `benchmarks.peers.tables`."""

import uuid

from django.db import models
from django.db.models.functions import Lower


class Member(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    issuer = models.TextField()
    subject = models.TextField()
    role = models.TextField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("issuer", "subject"), name="member_of_issuer"),
        )


class Patient(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    mrn = models.CharField(max_length=128)
    given_name = models.CharField(max_length=200)
    family_name = models.CharField(max_length=200)
    birth_date = models.DateField()
    birth_date_precision = models.CharField(max_length=5, default="day")
    sex = models.CharField(max_length=10)
    gender_identity = models.CharField(max_length=200, null=True, blank=True)
    race = models.CharField(max_length=200, null=True, blank=True)
    ethnicity = models.CharField(max_length=200, null=True, blank=True)
    language = models.CharField(max_length=64, null=True, blank=True)
    phone = models.CharField(max_length=64, null=True, blank=True)
    email = models.CharField(max_length=320, null=True, blank=True)
    address = models.JSONField(null=True, blank=True)
    deceased = models.BooleanField(default=False)
    deceased_at = models.DateTimeField(null=True, blank=True)
    deceased_on = models.DateField(null=True)
    deceased_precision = models.CharField(max_length=7, null=True)
    date_problem = models.CharField(max_length=20, null=True)
    impossible_dates = models.JSONField(null=True)
    contact_preference = models.CharField(max_length=12, default="ok")
    site_id = models.UUIDField(null=True, db_index=True)
    source = models.CharField(max_length=64, default="manual")
    source_id = models.CharField(max_length=64)
    mrn_system = models.CharField(max_length=255, null=True)
    active = models.BooleanField(default=True)
    record_status = models.CharField(max_length=10, default="current")
    replaced_by_id = models.UUIDField(null=True)
    withdrawn_reason = models.CharField(max_length=20, null=True)
    corrections = models.JSONField(default=dict)
    custom = models.JSONField(default=dict)
    last_encounter_on = models.DateField(null=True)
    clinical_version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("source", "source_id"), name="patient_of_source"),
            models.UniqueConstraint(fields=("source", "mrn"), name="patient_mrn"),
        )
        indexes = (
            models.Index(fields=("birth_date",), name="patient_birth_date"),
            models.Index(Lower("family_name"), Lower("given_name"), name="patient_name"),
        )


FIELDS = tuple(field.attname for field in Patient._meta.concrete_fields)
