"""SCIM 2.0 (RFC 7643, 7644): a tenant's identity provider sends its users and groups.

Users become members by signing in, with the rights of their groups: see `trially.auth.members.
provisioning`. Here is the protocol, and what its requests change.
"""
