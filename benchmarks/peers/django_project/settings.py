"""The settings that django-tenants' documentation asks for, and no others that take time."""

from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.peers.issuer import settings_of_app

_url = urlsplit(settings_of_app().database_url)
_place = parse_qs(_url.query)

SECRET_KEY = "a secret of the benchmarks"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.peers.django_project.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None

DATABASES = {
    "default": {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": _url.path.removeprefix("/"),
        "USER": _url.username,
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _place["host"][0],
        "PORT": _place["port"][0],
        "CONN_MAX_AGE": None,  # connections are kept
    }
}
DATABASE_ROUTERS = ("django_tenants.routers.TenantSyncRouter",)
TENANT_MODEL = "customers.Client"
TENANT_DOMAIN_MODEL = "customers.Domain"
TENANT_LIMIT_SET_CALLS = True

MIDDLEWARE = [
    "django_tenants.middleware.main.TenantMainMiddleware",
    "django.middleware.common.CommonMiddleware",  # sets Content-Length
]
SHARED_APPS = [
    "django_tenants",
    "benchmarks.peers.django_project.customers",
    "django.contrib.contenttypes",
]
TENANT_APPS = ["django.contrib.contenttypes", "benchmarks.peers.django_project.clinic"]
INSTALLED_APPS = [*SHARED_APPS, "benchmarks.peers.django_project.clinic"]
