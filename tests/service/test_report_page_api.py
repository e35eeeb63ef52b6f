import pytest

from service.report_page import policy
from tests.service.conftest import Live
from tests.service.journeys import ended, submit, table, upload
from tests.service.test_problems import problem
from tests.service.test_report_page import Page

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]


def test_a_job_has_a_page_of_its_own(shared_live: Live) -> None:
    client = shared_live.client
    dataset = upload(client, table(), target="kind", name="my table")
    job = ended(client, submit(client, dataset, confirmation={"seeds": 2})["id"])
    answer = client.get(f"/v1/jobs/{job['id']}/report.html")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"] == 'inline; filename="report.html"'
    policies = answer.headers.get_list("content-security-policy")
    assert policies == [policy(), "frame-ancestors 'none'"]
    page = Page(answer.text)
    report = client.get(f"/v1/jobs/{job['id']}/report").json()
    assert page.contents["h1"] == ["my table: which optimizer?"]
    assert report["verdict"]["sentence"] in page.text
    assert job["id"] in page.text
    assert dataset["digest"] in page.text
    curves = {trace["name"]: trace for trace in page.figures["curves"]["data"]}
    assert curves.keys() == report["curves"].keys()
    for name, curve in report["curves"].items():
        assert curves[name]["y"] == pytest.approx(list(curve.values()), rel=1e-4)


def test_a_job_that_is_not_there_has_no_page(shared_live: Live) -> None:
    answer = shared_live.client.get("/v1/jobs/nothing/report.html")
    assert problem(answer)["status"] == 404
