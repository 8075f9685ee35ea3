"""Laws of an estimate, whatever the job."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.bench.capacity import Rate, Workload, make_plan

RATE = Rate(100, 250, 96, measured=True, source="measured")
JOBS = st.builds(
    Workload,
    images=st.integers(1, 10**12),
    workers=st.integers(1, 10_000),
    image_kb=st.floats(1, 10_000),
    bandwidth=st.floats(1, 100_000),
    shard_size=st.integers(1, 10**6),
    store_requests=st.just(0.0) | st.floats(1, 1e6),
    mtbf_hours=st.floats(1, 1e5),
    cost_per_hour=st.floats(0, 100),
)


@given(JOBS)
def test_the_limit_comes_first_and_is_used_up(job):
    plan = make_plan(job, RATE)
    shares = [load.share for load in plan.loads]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert plan.hours >= max(load.hours for load in plan.loads)
    assert (job.store_requests == 0) == (len(plan.loads) == 2)


@given(JOBS)
def test_more_workers_are_never_slower_but_for_the_last_shard(job):
    one, two = (
        make_plan(replace(job, workers=workers, mtbf_hours=1e12), RATE)
        for workers in (job.workers, 2 * job.workers)
    )
    assert two.loads[0].hours <= one.loads[0].hours
    assert two.hours - two.shard_seconds / 3600 <= one.hours * 1.000001


@given(JOBS)
def test_more_than_the_useful_workers_do_not_help(job):
    useful = make_plan(job, RATE).useful_workers
    enough, more = (
        make_plan(replace(job, workers=workers), RATE) for workers in (useful, useful * 2)
    )
    assert more.loads[0].hours == pytest.approx(enough.loads[0].hours)


@given(JOBS)
def test_what_is_read_and_written_does_not_depend_on_the_workers(job):
    one, many = (make_plan(replace(job, workers=workers), RATE) for workers in (1, 1000))
    assert one.input_bytes == many.input_bytes
    assert one.output_bytes == many.output_bytes == 250 * job.images
    assert one.shards == many.shards
    assert one.shards * job.shard_size >= job.images > (one.shards - 1) * job.shard_size


@given(JOBS)
def test_every_worker_is_paid_until_the_end(job):
    plan = make_plan(job, RATE)
    assert plan.worker_hours == job.workers * plan.hours
    assert plan.cost == pytest.approx(plan.worker_hours * job.cost_per_hour)


def test_a_job_by_hand():
    job = Workload(
        images=3_600_000,
        workers=10,
        image_kb=100,
        bandwidth=100,
        shard_size=1000,
        store_requests=5500,
        mtbf_hours=10,
    )
    plan = make_plan(job, RATE)
    # 10 workers at 100 images/s are one hour busy; a link of 100 Mbit/s could carry 125 images/s.
    assert plan.loads[0].name == "processors of the workers"
    assert plan.loads[0].hours == pytest.approx(1)
    assert plan.loads[1].share == pytest.approx(100 / 125)
    assert plan.loads[2].share == pytest.approx(1000 / 5500)
    # One worker dies and loses half a shard; at the end, one shard of ten seconds is waited for.
    assert plan.failures == pytest.approx(1)
    assert plan.repeated_images == pytest.approx(500)
    assert plan.hours == pytest.approx(1 + 500 / 3_600_000 + 10 / 3600)
    assert plan.cost is None
