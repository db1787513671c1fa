"""Switch on OpenTelemetry traces if OpenTelemetry's own variables are set.

The packages belong to the extra `telemetry`, and are imported only if traces are on.
"""

import os
from collections.abc import Mapping

from flask import Flask

from trially.config import SettingsError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER = "OTEL_TRACES_EXPORTER"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
DISABLED = "OTEL_SDK_DISABLED"


def init_app(app: Flask) -> None:
    """Trace the app's requests if the environment configures an exporter.

    Must be called right after `trace_context.init_app`. Raises `SettingsError` if the packages are
    not installed.
    """
    if not is_enabled(os.environ):
        return
    try:
        from trially.observability import spans

        exporter = spans.make_exporter()
    except ImportError as error:
        raise SettingsError(
            "OpenTelemetry is configured but not installed. Install the extra `telemetry`, or unset"
            f" {EXPORTER} and {ENDPOINTS[0]}."
        ) from error
    spans.init_app(app, exporter)


def is_enabled(environment: Mapping[str, str]) -> bool:
    """Return whether traces are on.

    Raises `SettingsError` for an exporter or protocol that is not supported.
    """
    exporter = environment.get(EXPORTER, "").strip().lower()
    if environment.get(DISABLED, "").strip().lower() == "true" or exporter == "none":
        return False
    if not exporter and not any(environment.get(name) for name in ENDPOINTS):
        return False
    if exporter not in {"", "otlp"}:
        raise SettingsError(f"{EXPORTER} is {exporter!r}, but must be `otlp` or `none`.")
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), PROTOCOL)
    if protocol != PROTOCOL:
        raise SettingsError(f"{PROTOCOLS[1]} is {protocol!r}, but must be `{PROTOCOL}`.")
    return True
