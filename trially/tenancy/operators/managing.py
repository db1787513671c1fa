"""Say who may use the platform API."""

from collections.abc import Sequence

from sqlalchemy import select

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.names import check_line
from trially.tenancy.operators.model import PlatformOperator, PlatformRole


class NoOperatorError(OperatorError):
    """The issuer and the subject are not those of an operator."""


def add_operator(issuer: str, subject: str, role: PlatformRole) -> tuple[PlatformOperator, bool]:
    """Add an operator, or change the role of one. Every process knows it within 5 seconds.

    Returns the operator, and whether it is new. Raises `UnsafeTextError`.
    """
    check_line(issuer, "The issuer", length_of(PlatformOperator.issuer))
    check_line(subject, "The subject", length_of(PlatformOperator.subject))
    with catalog_transaction() as session:
        operator = session.get(PlatformOperator, (issuer, subject), with_for_update=True)
        is_new = operator is None
        if operator is None:
            operator = PlatformOperator(issuer=issuer, subject=subject, role=role)
            session.add(operator)
        operator.role = role
        session.flush()
        session.refresh(operator)
        return operator, is_new


def find_operator(issuer: str, subject: str) -> PlatformOperator:
    """Return an operator, or raise `NoOperatorError`."""
    with catalog_transaction() as session:
        operator = session.get(PlatformOperator, (issuer, subject))
    if operator is None:
        raise NoOperatorError(
            f"{subject!r} of {issuer} is no operator. `flask operators list` shows all."
        )
    return operator


def list_operators() -> Sequence[PlatformOperator]:
    """Return all operators, ordered by issuer and subject."""
    with catalog_transaction() as session:
        return session.scalars(
            select(PlatformOperator).order_by(PlatformOperator.issuer, PlatformOperator.subject)
        ).all()


def remove_operator(issuer: str, subject: str) -> PlatformOperator:
    """Remove an operator, and return it. What the operator has asked for and waits is not done.

    Raises `NoOperatorError`.
    """
    operator = find_operator(issuer, subject)
    with catalog_transaction() as session:
        session.delete(operator)
    return operator
