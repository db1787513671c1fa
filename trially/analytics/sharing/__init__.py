"""A tenant's consent to share counts with organisations: its owner gives it, and withdraws it.

The consent is a row of the tenant's own database, which no command writes. It names one invitation
of one organisation.
"""
