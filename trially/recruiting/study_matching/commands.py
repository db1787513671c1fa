"""The commands `flask match …`."""

from collections.abc import Iterator
from uuid import UUID

import click
from sqlalchemy import func, select

from trially.audit.working import showing_patients, working
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.errors import OperatorError
from trially.recruiting.criteria.code_sets import UnknownCodesError
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.matching.subjects import count_changed_since, matched_up_to
from trially.recruiting.studies.model import Study
from trially.recruiting.study_matching.compiling import compile_known
from trially.recruiting.study_matching.explaining import Explainer
from trially.recruiting.study_matching.model import Match, Trigger
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.studies import MatchedStudy, active_studies
from trially.recruiting.valuesets.library import tenants_terminology
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option, print_items, print_json

SHOWN = (Verdict.ELIGIBLE, Verdict.POTENTIAL)
"""Of patients who are ineligible, only those whom few criteria rule out have a match."""

_COLUMNS = ("protocol_number", "eligible", "potential", "ineligible", "written")


class MatchError(OperatorError):
    """Matches cannot be computed or explained."""


@catalog_command("run", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.option("--study", "protocol_number", help="Protocol number of one study. All by default.")
@json_option
def run(slug: str, *, protocol_number: str | None, as_json: bool) -> None:
    """Compute the matches of studies in TENANT for all patients, now.

    Studies without an active version of their protocol are left out. Matches that are right
    already are not written. Each study is one transaction. A study whose codes cannot be looked up
    stops no other study.

    \b
    Example:
      flask match run acme --study PROT-7
    """  # noqa: D301 - click reads \b
    # Imported here: numpy takes as long as half of a command's other imports.
    from trially.recruiting.study_matching.running import run_study

    done, failed = [], []
    with tenant_context(slug), working():
        with transaction():
            studies = _studies(protocol_number)
        for number, study in studies:
            try:
                with transaction(), tenants_terminology() as terminology:
                    counts = run_study(study, moment_of(), terminology, Trigger.REQUEST)
                done.append(_row(number, counts))
            except UnknownCodesError as error:
                failed.append(f"The criteria of {number} name codes that are unknown: {error}")
    print_items(done, _COLUMNS, as_json=as_json)
    if failed:
        raise MatchError("\n".join(failed))


@catalog_command("status", loses=NOTHING, only_reads=True)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@json_option
def status(slug: str, *, as_json: bool) -> None:
    """Show the matches of each study in TENANT, in numbers.

    `computed_on` is the day of the newest computation for all patients. `waiting` is the number of
    patients who have changed and are not matched again yet.
    """
    with tenant_context(slug), working(), transaction():
        rows = [_status(number, study.study_id) for number, study in _studies(None)]
    columns = ("protocol_number", *SHOWN, "waiting", "computed_on")
    print_items(rows, columns, as_json=as_json)


@catalog_command("explain", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("patient_id", type=click.UUID)
@json_option
def explain(slug: str, patient_id: UUID, *, as_json: bool) -> None:
    """Explain what the studies in TENANT say of the patient PATIENT_ID, with the evidence.

    The patient is recorded as shown.
    """
    with tenant_context(slug), showing_patients() as work:
        numbers = {study.study_id: number for number, study in _studies(None)}
        with tenants_terminology() as terminology:
            _, known, unknown = compile_known(active_studies(), terminology)
            explained = list(Explainer(known, moment_of(), terminology).explain([patient_id]))
        if not explained:
            raise MatchError("There is no such patient.")
        work.show([patient_id])
        [(_, results)] = explained
        for result in results:
            result["protocol_number"] = numbers[result["study_id"]]
    if as_json:
        print_json(results)
        return
    for result in results:
        click.echo("\n".join(_lines(result)))
    for study in unknown:
        click.echo(f"{numbers[study.study_id]}: not evaluated, its codes cannot be looked up")


def _status(number: str, study_id: UUID) -> Item:
    """Return what is stored of a study's matches, and how many patients have changed since."""
    from trially.recruiting.study_matching.running import latest_run

    latest = latest_run(study_id)
    refreshed, _ = matched_up_to()
    done = max(refreshed, latest.change_number) if latest else 0
    return {
        "protocol_number": number,
        **_count_matches(study_id),
        "waiting": count_changed_since(done),
        "computed_on": latest and latest.as_of,
    }


def _count_matches(study_id: UUID) -> Item:
    """Return the number of patients by verdict."""
    match = table_of(Match).c
    rows = db.session.execute(
        select(match.verdict, func.count().label("number"))
        .where(of_current_tenant(Match), match.study_id == study_id, match.verdict.in_(SHOWN))
        .group_by(match.verdict)
    )
    counted = {row.verdict: row.number for row in rows}
    return {str(verdict): counted.get(verdict, 0) for verdict in SHOWN}


def _lines(result: Item) -> Iterator[str]:
    """Yield the result of a study as lines for people."""
    kinds = [f"{number} {name}" for name, number in result["undecided"].items() if number]
    undecided = f", not decided: {', '.join(kinds)}" if kinds else ""
    yield f"{result['protocol_number']}: {result['verdict']}{undecided}"
    for criterion in result["criteria"]:
        outcome = criterion["outcome"].replace("_", " ")
        sentence = criterion["sentence"].replace("\n", "\n    ")
        yield f"  {criterion['position']} {criterion['kind']}, {outcome}: {sentence}"
        if criterion["alternatives"]:
            reasons = dict.fromkeys(each["reason_text"] for each in criterion["leaves"])
            yield from (f"    {reason}" for reason in reasons if reason)
        for number, alternative in enumerate(criterion["alternatives"]):
            texts = " And: ".join(each["text"] for each in alternative["changes"])
            yield f"    {'or' if number else 'needs'}: {texts}"


def _studies(protocol_number: str | None) -> list[tuple[str, MatchedStudy]]:
    """Return the studies with an active version, by protocol number."""
    study = table_of(Study).c
    rows = fetch_items(select(study.id, study.protocol_number).where(of_current_tenant(Study)))
    numbers = {row["id"]: row["protocol_number"] for row in rows}
    found = [(numbers[each.study_id], each) for each in active_studies()]
    if protocol_number is not None:
        found = [each for each in found if each[0] == protocol_number]
        if not found:
            raise MatchError(f"No study {protocol_number!r} has an active version.")
    return sorted(found, key=lambda each: each[0])


def _row(number: str, counts: Item) -> Item:
    return {
        "protocol_number": number,
        **{name: counts[name] for name in ("eligible", "potential", "ineligible")},
        "written": sum(counts[name] for name in ("added", "changed", "removed")),
    }
