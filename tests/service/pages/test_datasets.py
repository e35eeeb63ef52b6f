"""The pages of datasets over HTTP."""

import io

import httpx
import numpy as np
import pytest

from service.pages.histograms import histogram
from tests.service.conftest import Live
from tests.service.journeys import submit, table, upload
from tests.service.test_authorisation import bearer

pytestmark = pytest.mark.xdist_group("shared_live")

HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}"


def test_a_dataset_is_described_as_the_api_describes_it(shared_live: Live) -> None:
    client = shared_live.client
    lines = [f"2026-01-{1 + row % 28:02d},{row * 1.5},{'ab'[row % 2]},," for row in range(40)]
    content = "\n".join(["day,size,kind,constant,empty", *(f"{x}" for x in lines), ""]).encode()
    content = content.replace(b",,", b",7,")
    dataset = upload(client, content, name="described", target="kind")
    page = client.get(f"/datasets/{dataset['id']}").text
    assert "<h1>described</h1>" in page
    assert "text, utf-8, values between commas. The target was named at upload." in page
    assert "2026-01-01 to 2026-01-28" in page
    assert "0 to 58.5" in page
    assert 'a <span class="quiet">(20)</span>' in page
    assert "left out: constant" in page
    for warning in dataset["warnings"]:
        assert warning[1:].replace("'", "&#39;") in page
    assert f'href="/v1/datasets/{dataset["id"]}/csv"' in page
    assert "There are none yet." in page
    job = submit(client, dataset, name="first")
    client.post(f"/v1/jobs/{job['id']}/cancel")
    assert f'<a href="/jobs/{job["id"]}">first</a>' in client.get(f"/datasets/{dataset['id']}").text


def test_the_list_goes_on_by_pages(shared_live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pages.datasets.AT_ONCE", 2)
    with httpx.Client(
        base_url=shared_live.client.base_url, headers=bearer(shared_live, owner="lister")
    ) as client:
        assert "There are no datasets yet." in client.get("/datasets").text
        ids = [upload(client, table(), name=f"table {n}")["id"] for n in range(3)]
        first = client.get("/datasets").text
        assert [each in first for each in ids] == [False, True, True]
        assert "kind <span" in first  # guessed
        second = client.get(f"/datasets?cursor={ids[1]}").text
        assert [f'"/datasets/{each}"' in second for each in ids] == [True, False, False]
        assert ">Older<" not in second


def test_a_reader_can_change_nothing(shared_live: Live) -> None:
    dataset = upload(shared_live.client, table())
    headers = bearer(shared_live, owner="admin", scopes=["read"])
    with httpx.Client(base_url=shared_live.client.base_url, headers=headers) as client:
        for address in ("/datasets", f"/datasets/{dataset['id']}"):
            page = client.get(address).text
            assert "data-delete" not in page
            assert "/?dataset=" not in page


def test_names_and_values_are_only_ever_text(shared_live: Live) -> None:
    rows = "\n".join(f'{row % 5},"{HOSTILE}{row % 3}"' for row in range(60))
    content = f'size,"{HOSTILE}"\n{rows}\n'.encode()
    dataset = upload(shared_live.client, content)
    for address in (
        f"/datasets/{dataset['id']}",
        f"/?dataset={dataset['id']}",
        f"/plan?dataset={dataset['id']}&name={HOSTILE}&columns.{HOSTILE}=ignored",
    ):
        page = shared_live.client.get(address).text
        assert "<script>alert" not in page
        assert ESCAPED in page


def test_images_have_a_page_too(shared_live: Live) -> None:
    generator = np.random.default_rng(0)
    file = io.BytesIO()
    np.savez(file, x=generator.integers(0, 255, (40, 8, 8), np.uint8), y=np.arange(40) % 2)
    answer = shared_live.client.post(
        "/v1/datasets",
        params={"name": "images"},
        content=file.getvalue(),
        headers={"Content-Type": "application/x-npz"},
    )
    assert answer.status_code == 201, answer.text
    dataset = answer.json()
    page = shared_live.client.get(f"/datasets/{dataset['id']}").text
    assert "8 x 8 x 1 pixels and channels" in page
    assert "NumPy arrays" in page
    form = shared_live.client.get(f"/?dataset={dataset['id']}").text
    assert "<dd>cnn</dd>" in form
    assert "fallline tune images.npz" in form


def test_a_histogram_counts_every_number() -> None:
    found = histogram(np.array([0.0, 1.0, 1.0, np.nan, 12.0, np.inf]))
    assert found is not None
    assert (found.low, found.high, sum(found.counts), max(found.shares)) == (0.0, 12.0, 4, 1.0)
    assert found.counts[2] == 2
    assert histogram(np.array([np.nan])) is None
    same = histogram(np.array([3.0, 3.0]))
    assert same is not None
    assert (same.low, same.high, sum(same.counts)) == (3.0, 3.0, 2)
