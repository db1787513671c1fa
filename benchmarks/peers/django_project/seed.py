"""Create the tenants that the benchmark describes on standard input."""

import json
import os
import sys

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.peers.django_project.settings")
django.setup()

from django.db import connection  # noqa: E402
from django_tenants.utils import tenant_context  # noqa: E402

from benchmarks.peers.django_project.clinic.models import Member, Patient  # noqa: E402
from benchmarks.peers.django_project.customers.models import Client, Domain  # noqa: E402


def main() -> None:
    described = json.load(sys.stdin)
    call_command("migrate_schemas", shared=True, verbosity=0)
    for tenant in described["tenants"]:
        client = Client(schema_name=tenant["slug"].replace("-", "_"), name=tenant["slug"])
        client.save(verbosity=0)
        Domain(domain=tenant["host"], tenant=client, is_primary=True).save()
        with tenant_context(client):
            Member.objects.create(**tenant["member"])
            Patient.objects.bulk_create(Patient(**values) for values in described["patients"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


if __name__ == "__main__":
    main()
