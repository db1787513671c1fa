"""Rotate the secret key, and kill this process after the given number of roles."""

import os
import signal
import sys

from trially import create_app
from trially.tenancy.lifecycle.key_rotation import begin_rotation
from trially.tenancy.schema.catalog_revision import require_catalog

app = create_app()
with app.app_context():
    require_catalog()
    with begin_rotation() as rotation:
        done = 0
        roles = rotation.run()
        while done < int(sys.argv[1]):
            next(roles)
            done += 1
        os.kill(os.getpid(), signal.SIGKILL)
