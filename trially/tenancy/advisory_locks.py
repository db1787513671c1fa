"""Every advisory lock of tenancy: its key, and the database in which it is taken."""

INSTALL_LOCK = 0x7472_6961_6C6C_6961
"""Maintenance database: one process at a time installs."""

TEMPLATE_LOCK = 0x7472_6961_6C6C_79
"""Maintenance database: one process at a time builds a server's template database."""

SHARED_DATABASE_LOCK = 0x7472_6961_6C6C_7368
"""Maintenance database: one process at a time creates shared databases."""

KEY_ROTATION_LOCK = 0x7472_6961_6C6C_6B79
"""Catalog: one process at a time changes the passwords that derive from the secret key."""

MASTER_KEY_LOCK = 0x7472_6961_6C6C_6D6B
"""Catalog: one process at a time wraps the data keys of tenants again."""

SERVER_CHOICE_LOCK = 0x7472_6961_6C6C_6368
"""Catalog: one transaction at a time counts the tenants of the servers and takes the free room."""

READY_LOCK = 0x7472_6961_6C6C_7264
"""Catalog: one process at a time creates and removes ready tenants."""

MIGRATION_LOCK = 0x7472_6961_6C6C_6D67
"""Catalog: one process at a time migrates tenants."""

BACKUP_LOCK = 0x7472_6961_6C6C_626B
"""Catalog: one process at a time backs up all tenants."""

GRANT_LOCK = 0x7472_6961_6C6C_6772
"""Tenants' database: one migration at a time grants. PostgreSQL refuses two grants at once."""

DEMO_LOCK = 0x7472_6961_6C6C_646D
"""Maintenance database: one process at a time prepares the demo tenants."""


def tenant_lock_key(tenant_id: str) -> str:
    """Return SQL for the key of a tenant's lock; `tenant_id` is an SQL expression.

    In the tenant's own database every transaction of the tenant holds the lock shared, and a
    change of its placement takes it exclusively. In the catalog an operation on the tenant holds
    it, so that one process at a time works on a tenant.
    """
    return f"uuid_hash_extended({tenant_id}, 0)"


def copy_lock_key(tenant_id: str) -> str:
    """Return SQL for the key of a tenant's copy lock; `tenant_id` is an SQL expression.

    In the tenant's database, each session that writes its rows past the guard holds it: one that
    moves them there, or removes what the tenant has left.
    """
    return f"uuid_hash_extended({tenant_id}, 1)"
