"""What the models say about their tables and columns."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache

from sqlalchemy import Table

from trially.database.model import TenantModel

_INHERITED = {
    "tenant_id": "The tenant.",
    "id": "The row, within the tenant.",
    "created_at": "When the row was created, by the database's clock.",
    "updated_at": "When the row was last changed, by the database's clock.",
    "version": "The number of times that the row was written.",
}


def describe_table(table: Table) -> str:
    """Return the first line of the docstring of a table's model."""
    return (inspect.getdoc(_models()[table.name]) or "").splitlines()[0]


def describe_columns(table: Table) -> Mapping[str, str]:
    """Return the docstring below each column of a model, in one line; not all columns have one."""
    return {**_INHERITED, **_docs_of(_models()[table.name])}


@cache
def _models() -> Mapping[str, type[TenantModel]]:
    return {
        str(mapper.class_.__tablename__): mapper.class_ for mapper in TenantModel.registry.mappers
    }


def _docs_of(model: type[TenantModel]) -> Mapping[str, str]:
    parsed = ast.parse(textwrap.dedent(inspect.getsource(model)))
    (definition,) = (each for each in parsed.body if isinstance(each, ast.ClassDef))
    docs: dict[str, str] = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            docs[statement.target.id] = " ".join(following.value.value.split())
    return docs
