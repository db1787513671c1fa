"""A leader is killed under load: deploy/patroni.yml, two nodes, synchronous replication."""

from faults.failover_faults import LEADER_KILLED
from faults.installation import FIRST, installation
from faults.patroni_cluster import patroni_cluster
from faults.running import run

LEASE_MARGIN_SECONDS = 15
"""For the promotion and for a busy machine."""


def test_a_killed_leader_costs_a_pause_and_no_acknowledged_write():
    with patroni_cluster() as cluster, installation(cluster.url(), names=("one",)) as installed:
        former = cluster.leader()
        outcome = run(LEADER_KILLED, installed, patroni=cluster)

        assert outcome.acknowledged > 0
        assert (outcome.lost, outcome.doubled, outcome.foreign) == (0, 0, 0)
        assert cluster.leader() is cluster.other(former)
        # The app was not restarted, and was served by the new leader again.
        assert outcome.recovery_seconds is not None
        pause = outcome.fault_seconds + outcome.recovery_seconds
        assert pause < cluster.ttl + LEASE_MARGIN_SECONDS
        assert {kind.partition(" ")[0] for kind in outcome.errors} <= {"503", "409"}, outcome.errors
        assert not [each for each in outcome.complaints if "Retry-After" in each]

        # The former leader comes back as a standby, with the rows that were written meanwhile.
        cluster.start(former)
        cluster.wait_for_synchronous_standby()
        assert cluster.leader() is cluster.other(former)
        tenant = installed.tenants[0]
        count = f'SELECT count(*) FROM "{tenant.schema}".patient'
        rows = installed.servers[FIRST].ask(count, database=tenant.database)
        assert cluster.ask(former, count, database=tenant.database) == rows
