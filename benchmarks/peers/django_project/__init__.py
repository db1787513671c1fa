"""A Django project with django-tenants, set up as its documentation recommends."""
