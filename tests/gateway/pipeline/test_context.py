"""What an attempt may be billed, by how it ended."""

from __future__ import annotations

import pytest

from headgate.pipeline.context import Attempt, new_id
from headgate_providers.sdk import Event, Finish, Raw, TextDelta, Usage, UsageReported


def attempt(outcome: str, *events: Event) -> Attempt:
    made = Attempt(1, "d")
    made.observe(events)
    made.end(outcome)
    return made


def test_the_vendors_count_is_taken_as_it_is() -> None:
    usage = Usage(10, 3)
    assert (
        attempt("ok", TextDelta("abc"), Finish("stop"), UsageReported(usage)).billed_usage(1)
        == usage
    )


def test_an_explicit_zero_stays_zero() -> None:
    assert attempt("ok", Finish("stop"), UsageReported(Usage())).billed_usage(99) == Usage()


def test_a_reply_without_usage_is_estimated_and_marked() -> None:
    usage = attempt("ok", TextDelta("x" * 40), Finish("stop")).billed_usage(7)
    assert usage == Usage(7, 10, source="estimated")


def test_relayed_deltas_are_the_base_of_the_estimate() -> None:
    usage = attempt("cancelled", Raw(b"...", 4), Raw(b"...", 3)).billed_usage(7)
    assert usage == Usage(7, 7, source="estimated")


def test_a_broken_stream_costs_what_was_seen_of_it() -> None:
    started = UsageReported(Usage(20, 1, cache_read_tokens=5))
    usage = attempt("reset", started, TextDelta("y" * 80)).billed_usage(7)
    assert usage == Usage(20, 20, cache_read_tokens=5, source="estimated")


@pytest.mark.parametrize(
    "outcome", ["connect", "rate_limited", "http_5xx", "auth", "content_filter"]
)
def test_a_refusal_is_not_billed(outcome: str) -> None:
    assert attempt(outcome).billed_usage(7) is None


@pytest.mark.parametrize("outcome", ["cancelled", "timeout"])
def test_who_left_before_the_answer_may_pay_for_the_input(outcome: str) -> None:
    assert attempt(outcome).billed_usage(7) == Usage(7, 0, source="estimated")


def test_only_the_first_end_counts() -> None:
    made = attempt("ok", Finish("stop"))
    made.end("cancelled")
    assert made.outcome == "ok"


def test_ids_sort_by_time_and_are_unique() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [i[:12] for i in ids] == sorted(i[:12] for i in ids)
    assert all(len(i) == 32 for i in ids)
