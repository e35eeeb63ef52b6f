"""Tokens: made, shown once, revoked."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from service import tokens
from tests.service.conftest import Live

pytestmark = pytest.mark.xdist_group("browser")


def asks(live: Live, token: str) -> httpx.Response:
    return live.anonymous.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"})


def test_a_token_is_shown_once_works_and_is_revoked(
    page: Page, context: BrowserContext, shared_live: Live, accessible: Callable[[Page], None]
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/tokens")
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Last day").fill("2099-05-17")
    page.get_by_role("checkbox", name="submit").uncheck()
    page.get_by_role("button", name="Make").click()
    dialog = page.get_by_role("dialog", name="Your new token")
    expect(dialog.locator("pre")).to_contain_text("fall_")
    token = dialog.locator("pre").text_content() or ""
    accessible(page)
    dialog.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == token
    assert asks(shared_live, token).status_code == 200
    dialog.get_by_role("button", name="I have it").click()
    page.wait_for_function(
        "token => !document.documentElement.outerHTML.includes(token)", arg=token
    )

    row = page.get_by_role("row", name="laptop")
    expect(row).to_contain_text(f"…{token[-4:]}")
    expect(row).to_contain_text("2099-05-17 23:59 UTC")
    assert row.get_by_role("cell").nth(1).text_content() == "read"
    row.get_by_role("button", name="Revoke laptop").click()
    question = page.get_by_role("dialog", name="Revoke this token?")
    expect(question).to_contain_text("laptop")
    expect(question.get_by_text("You are logged in with it")).to_be_hidden()
    question.get_by_role("button", name="Keep it").click()
    assert asks(shared_live, token).status_code == 200
    row.get_by_role("button", name="Revoke laptop").click()
    question.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    expect(row.get_by_role("button")).to_have_count(0)
    assert asks(shared_live, token).status_code == 401


def test_a_token_for_another_acts_for_her(page: Page, shared_live: Live) -> None:
    page.goto("/tokens")
    page.get_by_label("Name").fill("hers")
    page.locator("#owner").fill("kim")
    page.get_by_role("button", name="Make").click()
    shown = page.locator("#new-token")
    expect(shown).to_contain_text("fall_")
    token = shown.text_content() or ""
    own = shared_live.anonymous.get("/v1/tokens", headers={"Authorization": f"Bearer {token}"})
    assert [(each["owner"], each["name"]) for each in own.json()["items"]] == [("kim", "hers")]


def test_who_revokes_the_token_one_uses_is_logged_out(
    context: BrowserContext, shared_live: Live
) -> None:
    with shared_live.services.database.write() as connection:
        made = tokens.create(connection, owner="lee", name="mine", scopes=["read", "submit"])
    page = context.new_page()
    page.goto(f"/login?token={made.token}")
    page.goto("/tokens")
    page.get_by_role("button", name="Revoke mine").click()
    question = page.get_by_role("dialog")
    expect(question.get_by_text("You are logged in with it")).to_be_visible()
    question.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("heading", name="Log in to Fallline")).to_be_visible()
