"""Compare trially with other apps that serve the same patients; see docs/performance.md.

Modules whose name begins with `django_` or `fastapi_` run in the peers' own virtual environment, as
do `issuer` and `tables`, which they share with the apps of `flask_apps`.
"""
