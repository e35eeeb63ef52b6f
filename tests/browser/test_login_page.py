"""Logging in and out."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from service import tokens
from tests.service.conftest import Live

pytestmark = pytest.mark.xdist_group("browser")


def test_a_token_lets_in_and_leads_to_where_one_was_going(
    context: BrowserContext, shared_live: Live
) -> None:
    with shared_live.services.database.write() as connection:
        token = tokens.create(connection, owner="ann", name="test", scopes=["read"]).token
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{shared_live.client.base_url}/")
    expect(page.get_by_role("banner")).to_contain_text("ann")


def test_logging_out_forgets_the_cookie(page: Page, context: BrowserContext) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Fallline")).to_be_visible()
    assert context.cookies() == []


def test_anybody_can_read_the_login_page(
    context: BrowserContext, accessible: Callable[[Page], None]
) -> None:
    page = context.new_page()
    page.goto("/login")
    accessible(page)
