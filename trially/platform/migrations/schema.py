"""Runs of migrations as operators' panels read and start them."""

from marshmallow import Schema, fields, validate

from trially.http.fields import EXAMPLE, Choice, JsonObject, PageQuerySchema, Text
from trially.platform.paths import SLUG_EXAMPLE
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migration_runs import PlaceState, RunState
from trially.tenancy.schema.revisions import Revision

MOST_SLUGS = 1000


class RunSchema(Schema):
    """A run of migrations over many tenants."""

    id = fields.UUID(required=True)
    target = fields.String(required=True, metadata={EXAMPLE: "0034"})
    state = Choice(RunState, required=True)
    started_at = fields.AwareDateTime(required=True)
    ended_at = fields.AwareDateTime(required=True, allow_none=True)
    at_target = fields.Integer(
        required=True, metadata={"description": "Places that were at the target before."}
    )
    places = JsonObject(
        keys=Choice(PlaceState),
        values=fields.Integer(),
        required=True,
        metadata={EXAMPLE: {"done": 12}, "description": "Numbers of places by their state."},
    )


class PlaceSchema(Schema):
    """What a run did to one place, which several tenants may share."""

    server = fields.String(required=True, metadata={EXAMPLE: "default"})
    database = fields.String(required=True, metadata={EXAMPLE: "t_0a1b2c3d4e5f"})
    schema = fields.String(required=True, metadata={EXAMPLE: "tenant"})
    stage = fields.String(required=True, metadata={EXAMPLE: "canary"})
    from_revision = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "0033"})
    to_revision = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "0034"})
    state = Choice(PlaceState, required=True)
    attempts = fields.Integer(required=True)
    sqlstate = fields.String(required=True, allow_none=True, metadata={EXAMPLE: "55P03"})
    error = fields.String(required=True, allow_none=True, metadata={EXAMPLE: None})
    ms = fields.Integer(required=True, allow_none=True)


class RunDetailSchema(RunSchema):
    """A run with the places that it has not migrated."""

    unmigrated = fields.List(
        fields.Nested(PlaceSchema),
        required=True,
        metadata={"description": "Places that were not migrated, at most 100."},
    )


class RevisionsSchema(Schema):
    """At which revisions tenants are."""

    needed = fields.String(
        required=True,
        metadata={EXAMPLE: "0034", "description": "The revision that this version needs."},
    )
    tenants = JsonObject(
        keys=Choice(Revision),
        values=fields.Integer(),
        required=True,
        metadata={EXAMPLE: {"current": 12}, "description": "Numbers of tenants by their state."},
    )
    quarantined = fields.Integer(
        required=True, metadata={"description": "Tenants whose last migration failed."}
    )


class NewRunSchema(Schema):
    """A run to start."""

    tenants = fields.List(
        Text(40, shortest=3, example=SLUG_EXAMPLE),
        load_default=list,
        validate=validate.Length(0, MOST_SLUGS),
        metadata={EXAMPLE: [], "description": "Slugs. An empty list means all tenants."},
    )
    canaries = fields.List(
        Text(40, example=SLUG_EXAMPLE),
        load_default=list,
        validate=validate.Length(0, 20),
        metadata={
            EXAMPLE: ["1"],
            "description": "Slugs of tenants to migrate first, or one number of them.",
        },
    )
    wave_size = fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=validate.Range(1)
    )
    workers = fields.Integer(
        strict=True, load_default=RunOptions.workers, validate=validate.Range(1, 64)
    )
    stop_at_failures = fields.String(
        load_default=RunOptions.stop_at,
        validate=validate.Regexp(r"[1-9][0-9]{0,5}%?\Z", error="Must be 10, or 5%."),
        metadata={EXAMPLE: "10", "description": "A number of failures, or a percentage."},
    )


class RunQuerySchema(PageQuerySchema):
    """Query parameters of the list of runs."""

    class Meta:
        """The list is not counted."""

        exclude = ("total",)
