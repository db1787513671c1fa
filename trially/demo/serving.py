"""Serve the demo tenants on this machine with the development server."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from urllib.parse import urlsplit

import click
from flask import Flask, current_app
from werkzeug.serving import LISTEN_QUEUE, make_server

from trially.audit.background_sealer import BackgroundSealer
from trially.config import (
    LOOPBACK_HOSTS,
    Settings,
    current_settings,
    is_configured,
    record_served_url,
)
from trially.demo.keeping import keeping_servers
from trially.demo.occupation import serving
from trially.demo.ports import DEFAULT_PORT, PortUnavailableError, hold_port, listen
from trially.demo.preparing import prepare
from trially.demo.report import format_banner
from trially.demo.settling import BackgroundSettler
from trially.dev_issuer import DevIssuer
from trially.errors import OperatorError
from trially.jobs.worker import Worker
from trially.observability import logs
from trially.state import app_state, state_of
from trially.tenancy.tasks.lane import carrying_out_tasks

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Addresses that mean all of this machine's, and the loopback address among them."""


class UnusableAddressError(OperatorError):
    """The demo cannot be served at this address."""


@dataclass(frozen=True)
class Address:
    """Where the server listens, and the URL at which clients on this machine reach it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Return the URL. Of all loopback names, IPv6 addresses are written in brackets."""
        host = WILDCARDS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def serve(host: str, port: int | None) -> None:
    """Prepare the demo tenants and serve them until Ctrl-C."""
    settings = current_settings()
    has_own_url = is_configured("public_url", settings)
    address = choose_address(host, port, settings.public_url if has_own_url else None)
    with _listening(address) as holder, serving(settings.instance):
        if not has_own_url:
            record_served_url(settings.instance, address.url)
            settings = replace(settings, public_url=address.url)
        app = _app_with(settings)
        with app.app_context(), keeping_servers(settings):
            logs.configure(level=settings.log_level, is_for_people=sys.stderr.isatty())
            issuer = state_of(app).dev_issuer
            assert issuer is not None  # noqa: S101
            _prepare(issuer)
            click.echo(format_banner(issuer, address.url))
            with _sealing_logs(app), _running_jobs(app), _settling_moves(app):
                _serve_until_interrupted(app, address, holder)


def choose_address(host: str, port: int | None, public_url: str | None) -> Address:
    """Return where to listen: without a port, at that of the public URL, or else the default.

    Raises `UnusableAddressError` for a host that has no loopback address.
    """
    if WILDCARDS.get(host, host) not in LOOPBACK_HOSTS:
        raise UnusableAddressError(
            f"The host {host!r} has no loopback address, and the built-in issuer answers only"
            " there. Pass --host 127.0.0.1, localhost, ::1, or 0.0.0.0 for all addresses."
        )
    return Address(host, port or urlsplit(public_url or "").port or DEFAULT_PORT)


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    """Hold the port while the demo is prepared. Clients are refused until the server listens."""
    try:
        holder = hold_port(address.host, address.port)
    except PortUnavailableError as error:
        raise UnusableAddressError(str(error)) from None
    with holder:
        yield holder


def _app_with(settings: Settings) -> Flask:
    """Return the current app, or one like it with another public URL."""
    if settings == current_settings():
        return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001
    return app_state().make_app(settings)


@contextmanager
def _sealing_logs(app: Flask) -> Iterator[None]:
    """Seal the audit logs meanwhile. Beside a deployed app, a process of its own does it."""
    sealer = BackgroundSealer(app)
    sealer.start()
    try:
        yield
    finally:
        sealer.stop()


@contextmanager
def _running_jobs(app: Flask) -> Iterator[None]:
    """Run jobs and tasks meanwhile. Beside a deployed app, `flask worker` does it."""
    worker = Worker(app)
    thread = Thread(target=worker.run, name="worker", daemon=True)
    thread.start()
    try:
        with carrying_out_tasks(app):
            yield
    finally:
        worker.stop()
        thread.join(5)


@contextmanager
def _settling_moves(app: Flask) -> Iterator[None]:
    """Finish interrupted moves meanwhile. Beside a deployed app, `flask tenants settle-moves`."""
    settler = BackgroundSettler(app)
    settler.start()
    try:
        yield
    finally:
        settler.stop()


def _prepare(issuer: DevIssuer) -> None:
    for slug, reason in prepare(issuer, click.echo).items():
        click.echo(f"Not ready: {slug}. {reason} The other tenants are served.", err=True)


def _serve_until_interrupted(app: Flask, address: Address, holder: socket.socket) -> None:
    listen(holder, LISTEN_QUEUE)
    server = make_server(address.host, address.port, app, threaded=True, fd=holder.fileno())
    server.serve_forever()
