"""All faults, by name."""

from faults import (
    database_faults,
    failover_faults,
    issuer_faults,
    network_faults,
    postgres_faults,
    process_faults,
    tenant_faults,
)
from faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (
        process_faults,
        postgres_faults,
        network_faults,
        database_faults,
        tenant_faults,
        issuer_faults,
        failover_faults,
    )
    for fault in module.FAULTS
}
