"""Write the search terms of a masked clone, whose patients have other names and numbers."""

from flask import current_app

from trially.audit.working import working
from trially.database.placement import Placement, enter_placement
from trially.database.session import transaction
from trially.recruiting.search.indexing import index_all_patients
from trially.tenancy.cloning.steps import masked_tenant_built


@masked_tenant_built.connect
def index_clone(placement: Placement) -> None:
    """Write the terms of all patients of a new clone."""
    with current_app.app_context():
        enter_placement(placement)
        with working():
            for _ in index_all_patients(transaction):
                pass
