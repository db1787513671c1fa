"""The product: studies, sites, patients, their records, and how they come in."""

from trially.auth.me import bp as me
from trially.auth.members.routes import bp as members
from trially.recruiting.imports.routes import bp as imports
from trially.recruiting.patients.routes import bp as patients
from trially.recruiting.records.routes import bp as records
from trially.recruiting.sites.routes import bp as sites
from trially.recruiting.studies.routes import bp as studies

API_PREFIX = "/api/v1"
API_BLUEPRINTS = (me, members, studies, sites, patients, records, imports)
