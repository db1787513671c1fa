<%! import re %>\
"""${message.rstrip(".")}."""

% if re.search(r"\bsa\.", f"{upgrades}{downgrades}"):
import sqlalchemy as sa
% endif
from alembic import op
${imports + "\n" if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
