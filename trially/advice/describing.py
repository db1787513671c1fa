"""Advice as JSON, and as text for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trially.advice.checking import Advised, Chosen, Refused
from trially.advice.evening_out import KINDS, Comparison
from trially.advice.fleet import ServerFacts
from trially.advice.outgrown import Unplaced
from trially.terminal.quantities import format_bytes

Item = dict[str, Any]


def describe_chosen(chosen: Chosen) -> Item:
    """Return chosen moves, and those that were refused, as JSON."""
    return {
        "moves": [describe_move(each) for each in chosen.advised],
        "refused": [_describe_refused(each) for each in chosen.refused],
        "missing": list(chosen.fleet.missing),
        "has_more": chosen.is_cut,
    }


def describe_move(advised: Advised) -> Item:
    """Return one advised move, with what it takes and what it changes."""
    candidate, estimated = advised.candidate, advised.estimated
    tenant = candidate.tenant
    servers = dict.fromkeys((tenant.server, candidate.server))
    return {
        "tenant": tenant.slug,
        "tenant_id": str(tenant.id),
        "plan": tenant.plan,
        "rule": candidate.rule.value,
        "reason": candidate.reason,
        "from_tier": tenant.tier.value,
        "from_server": tenant.server,
        "to_tier": candidate.tier.value,
        "to_server": candidate.server,
        "command": candidate.command,
        "rows": estimated.rows,
        "copied_bytes": estimated.bytes,
        "seconds": round(advised.seconds, 1),
        "pause_ms": round(estimated.pause_seconds * 1000, 1),
        "servers": [
            {
                "name": name,
                "before": describe_headroom(advised.before.by_name[name]),
                "after": describe_headroom(advised.after.by_name[name]),
            }
            for name in servers
        ],
    }


def describe_headroom(server: ServerFacts) -> Item:
    """Return what a server has used, and what is left. None is not known."""
    return {
        "tenants": server.tenants,
        "stored_bytes": server.stored_bytes,
        "free_bytes": _left(server.stored_bytes, server.disk_bytes),
        "connections": server.connections,
        "free_connections": _left(server.connections, server.most_connections),
    }


def describe_unplaced(unplaced: Unplaced) -> Item:
    """Return what no move can fulfil."""
    return {**vars(unplaced), "rule": unplaced.rule.value}


def describe_comparison(before: Comparison, after: Comparison) -> Iterator[Item]:
    """Yield for each server what it has of a measure, and how many times its even share that is."""
    for name, total in before.totals.items():
        yield {
            "measure": before.measure.value,
            "server": name,
            "before": round(total, 4),
            "after": round(after.totals[name], 4),
            "share_before": round(before.of_even(name), 3),
            "share_after": round(after.of_even(name), 3),
        }


def lines_of_move(item: Item) -> list[str]:
    """Return an advised move as text: why, what it takes, and what it changes."""
    pause = f"requests wait some {item['pause_ms']:.0f} ms"
    return [
        item["reason"],
        (
            f"It copies {item['rows']:,} rows ({format_bytes(item['copied_bytes'])}) in some"
            f" {item['seconds']:.0f} s; {pause}."
        ),
        *(_line_of_server(each) for each in item["servers"]),
    ]


def lines_of_rest(description: Mapping[str, Any]) -> list[str]:
    """Return as text what is not advised, and what is not known."""
    return [
        *(f"Not advised: {_line_of_refused(each)}" for each in description["refused"]),
        *(f"Not known: {sentence}" for sentence in description["missing"]),
        *(["There may be more moves. --limit shows them."] if description["has_more"] else []),
    ]


def lines_of_comparison(items: Sequence[Item]) -> Iterator[str]:
    """Yield for each server and measure what a plan changes."""
    texts = {measure.value: kind.text for measure, kind in KINDS.items()}
    for each in items:
        text = texts[each["measure"]]
        yield (
            f"{each['server']}, {each['measure']}: {text(each['before'])}"
            f" ({each['share_before']:.1f} times its even share), then {text(each['after'])}"
            f" ({each['share_after']:.1f} times)"
        )


def _describe_refused(refused: Refused) -> Item:
    candidate = refused.candidate
    return {
        "tenant": candidate.tenant.slug,
        "rule": candidate.rule.value,
        "to_tier": candidate.tier.value,
        "to_server": candidate.server,
        "blockers": [vars(blocker) for blocker in refused.blockers],
    }


def _line_of_refused(item: Item) -> str:
    why = " ".join(f"{each['what']} {each['advice']}" for each in item["blockers"])
    return f"{item['tenant']} to {item['to_tier']} on {item['to_server']} ({item['rule']}). {why}"


def _line_of_server(item: Item) -> str:
    before, after = item["before"], item["after"]
    stored = f"{format_bytes(before['stored_bytes'])} stored, then"
    return (
        f"{item['name']}: {stored} {format_bytes(after['stored_bytes'])}{_free(after, 'bytes')};"
        f" {_number(before['connections'])} connections, then {_number(after['connections'])}"
        f"{_free(after, 'connections')}."
    )


def _free(item: Item, what: str) -> str:
    left = item[f"free_{what}"]
    if left is None:
        return " (how much is free is not known)"
    return f" ({format_bytes(left) if what == 'bytes' else left} free)"


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _left(used: int | None, most: int | None) -> int | None:
    return None if used is None or most is None else most - used
