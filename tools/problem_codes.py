"""`python -m tools.problem_codes` writes docs/problems.md from the codes of problems."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from trially.http import codes as codes_module

INTRODUCTION = """\
# Problems

Written by `make docs` from `trially/http/codes.py`; a test compares them.

Every error is answered with `application/problem+json` (RFC 9457):

```json
{
  "type": "/problems/conflict",
  "code": "already_exists",
  "title": "Conflict",
  "status": 409,
  "detail": "A record with this value already exists.",
  "request_id": "019bb5ee3c1d7d32a7a8c3f9b7a1e0aa",
  "errors": [{"pointer": "/mrn", "detail": "There is a patient with this MRN already."}]
}
```

- `code` names the cause. A client decides by `code`. A code is never renamed and never reused; new codes may be added, so a client
  treats an unknown code by its `status`.
- `title` and `detail` are for people. Their wording may change at any time.
- `errors` points to values in the body (JSON pointers, RFC 6901) or names query parameters.
- `request_id` is in the server's log. Report it to support.
- `Retry-After` says how many seconds to wait, where a retry may help.

A status without a code below, such as 405, has its name as the code: `method_not_allowed`.

| code | cause |
|---|---|
"""


def describe_codes() -> str:
    """Return docs/problems.md."""
    return INTRODUCTION + "".join(f"| `{code}` | {cause} |\n" for code, cause in _read_codes())


def _read_codes() -> Iterator[tuple[str, str]]:
    """Yield each code and the string below it."""
    tree = ast.parse(Path(codes_module.__file__).read_text("utf-8"))
    [codes] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Code"]
    members = sorted(
        (str(ast.literal_eval(member.value)), str(ast.literal_eval(cause.value)))
        for member, cause in zip(codes.body, codes.body[1:], strict=False)
        if isinstance(member, ast.Assign) and isinstance(cause, ast.Expr)
    )
    yield from members


if __name__ == "__main__":
    sys.stdout.write(describe_codes())
