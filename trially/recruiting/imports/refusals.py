"""Answer the errors of imports as problems."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import url_for

from trially.auth.plan_refusals import quota_problem
from trially.database.placement import current_placement
from trially.database.rows import Item
from trially.http.codes import Code
from trially.http.problems import (
    Conflict,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    UnprocessableContent,
)
from trially.http.retry_after import retry_after
from trially.recruiting.imports.deleting import ImportRunningError
from trially.recruiting.imports.import_run import ImportTakenOverError
from trially.recruiting.imports.missing_records.withdrawing import NotListedError
from trially.recruiting.imports.model import ImportState
from trially.recruiting.imports.running import ImportStoppedError
from trially.recruiting.imports.slots import (
    ProcessBusyError,
    TooManyImportsError,
    TooManyQueuedError,
)
from trially.recruiting.imports.source_state import SourceChangedError
from trially.request_state import request_state

_FAILED = "The import failed. Read its errors."


@contextmanager
def answering_refusals() -> Iterator[None]:
    """Raise the problem for each error of an import."""
    try:
        yield
    except ImportTakenOverError as error:
        raise Conflict(str(error), code=Code.IMPORT_TAKEN_OVER) from error
    except SourceChangedError as error:
        raise Conflict(str(error)) from error
    except NotListedError as error:
        raise Conflict(str(error), code=Code.EXPORT_NOT_COMPLETE) from error
    except ImportRunningError as error:
        raise Conflict(str(error), code=Code.IMPORT_RUNNING) from error
    except (TooManyImportsError, TooManyQueuedError) as error:
        tenant_id = current_placement().tenant_id
        raise TooManyRequests(
            str(error),
            code=Code.TOO_MANY_IMPORTS,
            headers=retry_after(Code.TOO_MANY_IMPORTS, tenant_id),
        ) from error
    except ProcessBusyError as error:
        raise ServiceUnavailable(
            str(error),
            code=Code.IMPORTS_BUSY,
            headers=retry_after(Code.IMPORTS_BUSY),
        ) from error
    except ImportStoppedError as error:
        raise _stopped(error) from error


def refuse_failed(job: Item) -> None:
    """Answer 422 if an import has failed. The import, with its errors, stays readable.

    The reason may name a file of an archive, which only callers with the PHI level `full` see.
    """
    if job["state"] == ImportState.FAILED:
        raise UnprocessableContent(
            str(job["failure"]) if request_state().shows_identifiers else _FAILED,
            code=Code.IMPORT_FAILED,
            headers={"Location": url_for(".show_import", import_id=job["id"])},
            extensions={"import_id": str(job["id"])},
        )


def _stopped(error: ImportStoppedError) -> Problem:
    where = {"Location": url_for(".show_import", import_id=error.job["id"])}
    if error.job["state"] == ImportState.STOPPED:
        headers = {**where, **retry_after(Code.IMPORT_STOPPED, error.job["id"])}
        return ServiceUnavailable(str(error), code=Code.IMPORT_STOPPED, headers=headers)
    if error.quota is not None:
        return quota_problem(error.quota, where)
    return UnprocessableContent(str(error), code=Code.IMPORT_LIMIT_EXCEEDED, headers=where)
