"""Earlier jobs put their best among a job's first trials, and the job says which."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import update

from service import claims, tables, tokens, transfers
from studies.spec import StudySpec
from tests.service.conftest import Live
from tests.service.journeys import Json, ended, submit, table, upload, walk

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

ON = {"transfer": True}
BUDGET = {"trials": 20, "epochs": 4}  # of which two at most are transferred


def client_of(live: Live, owner: str) -> httpx.Client:
    """Of somebody who has no jobs yet, whatever other tests left in the server."""
    with live.services.database.write() as connection:
        token = tokens.create(connection, owner=owner, name="test", scopes=["read", "submit"]).token
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=live.client.base_url, headers=headers, timeout=30)


@pytest.fixture
def client(shared_live: Live, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    with client_of(shared_live, request.node.name[:64]) as found:
        yield found


def done(client: httpx.Client, dataset: Json, **spec: object) -> Json:
    view = ended(client, submit(client, dataset, **{"budget": BUDGET} | spec)["id"])
    assert view["state"] == "completed", view
    return view


def trials(client: httpx.Client, job: Json) -> list[Json]:
    return walk(client, f"/v1/jobs/{job['id']}/trials")


def test_a_job_starts_from_the_best_of_an_earlier_one(client: httpx.Client) -> None:
    dataset = upload(client, table(), target="kind", name="first table")
    before = done(client, dataset, **ON)
    assert before["transferred"] == []  # there was nothing to take
    after = done(client, dataset, **ON)
    assert 1 <= len(after["transferred"]) <= 2
    earlier = {trial["number"]: trial for trial in trials(client, before)}
    ranked = sorted(
        (trial for trial in earlier.values() if trial["value"] is not None),
        key=lambda trial: (trial["value"], trial["number"]),
    )
    found = trials(client, after)
    taken = [trial for trial in found if trial["transferred"]]
    assert [trial["transferred"] for trial in taken] == after["transferred"]
    assert [trial["number"] for trial in taken] == [2 + place for place in range(len(taken))]
    for trial in taken:  # after the defaults of the two optimizers
        source = trial["transferred"]
        assert (source["job"], source["dataset"]) == (before["id"], "first table")
        assert (source["likeness"], source["completed"]) == (1.0, len(ranked))
        assert ranked[source["rank"] - 1]["number"] == source["trial"]
        # The same data, model and seed: the same training.
        assert trial["config"] == earlier[source["trial"]]["config"]
        if trial["value"] is not None:
            assert trial["value"] == earlier[source["trial"]]["value"]
    manifest = client.get(f"/v1/jobs/{after['id']}/manifest").json()
    assert [each["source"] for each in manifest["transferred"]] == after["transferred"]
    report = client.get(f"/v1/jobs/{after['id']}/report").json()
    assert [row["trial"] for row in report["transferred"]] == taken
    values = sorted(trial["value"] for trial in found if trial["value"] is not None)
    for row in report["transferred"]:
        value = row["trial"]["value"]
        assert row["rank"] == (None if value is None else values.index(value) + 1)


def test_similar_data_is_less_alike_and_named(client: httpx.Client) -> None:
    done(client, upload(client, table(), target="kind", name="small"))
    larger = upload(client, table(300), target="kind", name="larger")
    # Another seed does not matter where the rows are others.
    after = done(client, larger, **ON, seed=9)
    assert after["transferred"]
    for source in after["transferred"]:
        assert source["dataset"] == "small"
        assert 0 < source["likeness"] < 1


def test_nothing_is_taken_from_the_same_rows_cut_otherwise(client: httpx.Client) -> None:
    dataset = upload(client, table(), target="kind")
    done(client, dataset, seed=1)
    assert done(client, dataset, **ON, seed=2)["transferred"] == []


def test_it_can_be_switched_off_and_then_the_seed_decides_alone(client: httpx.Client) -> None:
    dataset = upload(client, table(), target="kind")
    first, second = (done(client, dataset) for _ in range(2))
    assert first["spec"]["transfer"] is second["spec"]["transfer"] is False
    assert first["transferred"] == second["transferred"] == []
    told = [
        [(trial["config"], trial["value"], trial["transferred"]) for trial in trials(client, job)]
        for job in (first, second)
    ]
    assert told[0] == told[1]


def test_jobs_of_others_and_jobs_that_did_not_complete_are_never_used(
    shared_live: Live, client: httpx.Client
) -> None:
    dataset = upload(client, table(61), target="kind")
    done(client, dataset)
    with client_of(shared_live, "somebody else") as other:
        own = upload(other, table(61), target="kind")
        assert done(other, own, **ON)["transferred"] == []
    cancelled = done(client, upload(client, table(62), target="kind"))
    with shared_live.services.database.write() as connection:
        connection.execute(
            update(tables.jobs).where(tables.jobs.c.id == cancelled["id"]).values(state="cancelled")
        )
    after = done(client, dataset, **ON)
    assert {source["job"] for source in after["transferred"]}.isdisjoint({cancelled["id"]})


def test_a_job_that_starts_again_takes_what_it_took_at_first(
    shared_live: Live, client: httpx.Client
) -> None:
    dataset = upload(client, table(), target="kind")
    done(client, dataset)
    after = done(client, dataset, **ON)
    done(client, dataset, budget={"trials": 30, "epochs": 4})  # a better source, too late
    with shared_live.services.database.write() as connection:
        claim = claims.Claim(
            id=after["id"],
            attempt=2,
            study_id=0,
            dataset_id=dataset["id"],
            spec=StudySpec.model_validate(after["spec"]),
            seconds_spent=0.0,
        )
        again = transfers.settle(connection, claim)
    assert [each.source.model_dump() for each in again] == after["transferred"]
