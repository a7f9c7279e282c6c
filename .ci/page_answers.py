"""Opens a page's address in a real browser, and fails where ResNet-50's figures do not come: `page_answers.py URL`."""

import sys

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import chromium

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
    page = browser.new_page()
    page.goto(sys.argv[1])
    expect(page.locator(".figures").first).to_contain_text("25,557,032", timeout=60_000)
    expect(page).to_have_title("resnet-analyzer")
    browser.close()
