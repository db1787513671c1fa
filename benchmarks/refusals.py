"""Measure how long the refusal of an invalid token takes, for all bad tokens of the tests."""

import statistics
import sys
import time
from dataclasses import replace
from importlib import import_module

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from trially import create_app
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.tokens import TokenVerifier
from trially.config import ROOT
from trially.state import state_of

BAR_MS = 50
HEADER_BYTES = 16_380


def main() -> None:
    parser = make_parser(__spec__.name, rounds=5, seconds=60)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "auth"))
    crafted, attacking = import_module("crafted_tokens"), import_module("test_token_attacks")

    with installation() as installed:
        app = create_app(replace(installed.settings, dev_issuer=False))
        profile = IssuerProfile(
            issuer=crafted.ISSUER, audiences=(crafted.AUDIENCE,), keys=crafted.Keys()
        )
        state_of(app).token_verifier = TokenVerifier({crafted.ISSUER: profile})
        client = app.test_client()
        taken: dict[str, float] = {}
        for attack in attacking.attacks():
            token = attack.values[0]()
            if not token.strip() or not token.isprintable() or not token.isascii():
                continue  # a header cannot contain this token
            if len(token) > HEADER_BYTES:
                continue  # a server rejects so long a header
            headers = {"Authorization": f"Bearer {token}"}
            samples = []
            for _ in range(options.rounds):
                began = time.perf_counter()
                answer = client.get("/api/v1/me", headers=headers)
                samples.append((time.perf_counter() - began) * 1000)
                if answer.status_code != 401:
                    raise SystemExit(f"{attack.id} was answered with {answer.status_code}.")
            taken[str(attack.id)] = statistics.median(samples)
    slowest = max(taken, key=taken.__getitem__)
    line = (
        f"refusals: {len(taken)} bad tokens, median {statistics.median(taken.values()):.2f} ms,"
        f" slowest {taken[slowest]:.1f} ms ({slowest}); bar {BAR_MS} ms"
    )
    print_outcome(line, {"bar_ms": BAR_MS, "taken_ms": taken}, as_json=options.json)


if __name__ == "__main__":
    main()
