"""Find what the system that wrote an input says about errors in it."""

from typing import Any

from trially.recruiting.imports.faults import FaultCode, LineFault, fault

FAILED = frozenset({"error", "fatal"})
"""The severities of issues that mean that something is not in the input."""

FIRST_ERROR_STATUS = 400
GONE = frozenset({404, 410})
"""The statuses that say that there is no such record, or none any more."""

# The codes of FHIR's value set issue-type. A reason names only these, as others could be PHI.
_ISSUE_TYPES = frozenset(
    "invalid structure required value invariant security login unknown expired forbidden "  # noqa: SIM905
    "suppressed processing not-supported duplicate multiple-matches not-found deleted too-long "
    "code-invalid extension too-costly business-rule conflict transient lock-error no-store "
    "exception timeout incomplete throttled informational".split()
)


def fault_of_outcome(outcome: dict[str, Any]) -> LineFault | None:
    """Return the fault that an OperationOutcome tells of, None if it tells of no error."""
    issues = outcome.get("issue")
    for issue in issues if type(issues) is list else ():
        if type(issue) is dict and issue.get("severity") in FAILED:
            code = issue.get("code")
            kind = f" ({code})" if type(code) is str and code in _ISSUE_TYPES else ""
            return fault(
                FaultCode.EXPORT_ERROR,
                f"The system that wrote the input reports an error{kind} in an OperationOutcome."
                " The input may be incomplete.",
            )
    return None


def fault_of_response(response: object) -> LineFault | None:
    """Return the fault of an entry whose response is an error, None of any other."""
    if type(response) is not dict:
        return None
    number = _status_of(response)
    if number >= FIRST_ERROR_STATUS:
        return fault(
            FaultCode.EXPORT_ERROR,
            f"The server answered this request with the error {number}. The input may be"
            " incomplete.",
        )
    outcome = response.get("outcome")
    return fault_of_outcome(outcome) if type(outcome) is dict else None


def is_gone(response: object) -> bool:
    """Return whether the response of an entry says that the record does not exist.

    As the response to a deletion, this is no error: the record is deleted.
    """
    return type(response) is dict and _status_of(response) in GONE


def _status_of(response: dict[str, Any]) -> int:
    """Return the HTTP status of a response: `410 Gone` is 410. 0 if it has none."""
    status = response.get("status")
    number = status[:3] if type(status) is str else ""
    return int(number) if number.isascii() and number.isdigit() else 0
