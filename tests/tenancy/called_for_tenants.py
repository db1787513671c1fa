"""Functions that `flask tenants run` calls for each tenant in tests."""

import os
import time

from trially.database.session import db, transaction
from trially.recruiting.sites.model import Site
from trially.tenancy.context import current_tenant


def greet(word: str) -> str:
    return f"{word} {current_tenant().slug} {os.environ.get('TRIALLY_REASON', '')}".strip()


def fail_for(slug: str) -> str:
    if current_tenant().slug == slug:
        raise RuntimeError("a patient's name")
    return "fine"


def hang_for(slug: str) -> str:
    if current_tenant().slug == slug:
        time.sleep(60)
    return "fine"


def add_site(name: str) -> None:
    with transaction():
        db.session.add(Site(name=name))


not_a_function = 1
