"""GET /help/cc: the reference that the program prints is the published one."""

import html
import re

import pytest

from genome import CODES, CODES_OF_LATER_VERSIONS, FORMS, RULES, status_of
from turnpike import call

REQUIRED, OPTIONAL = "\u25cf", "\u25cb"
# Known from clients only, for all types.
LOGIN_FIELDS = {"auth_type", "public_key", "signature"}


@pytest.fixture(scope="module", name="page")
def help_page(sandbox):
    answer = call(sandbox.url + "/help/cc")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    return answer.text


def tables(page):
    """Each table as a list of rows, each row as a list of texts."""
    found = []
    for table in re.findall(r"<table>(.*?)</table>", page, re.S):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)
        found.append([[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in
                       re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)] for row in rows])
    return found


def test_the_page_is_well_formed(page):
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</body></html>\n")
    for tag in ("table", "tr", "td", "th", "code", "h1", "h2", "p"):
        opened = len(re.findall(rf"<{tag}[ >]", page))
        assert opened == page.count(f"</{tag}>") and opened, tag
    assert "http://" not in page and "https://" not in page  # it loads nothing


def test_it_lists_every_code_with_its_value_and_message(page):
    rows = tables(page)[-1]
    assert rows[0] == ["code", "status", "value", "message"]
    assert rows[1:] == [[str(code), status_of(code), value, message]
                        for code, (value, message) in CODES.items()]
    assert not {row[0] for row in rows} & {str(code) for code in CODES_OF_LATER_VERSIONS}


def test_it_lists_every_field_with_the_types_it_belongs_to(page):
    rows = tables(page)[0]
    columns = rows[0][3:]
    assert sorted(columns) == sorted(FORMS)
    shown = {}
    for field, _, _, *marks in rows[1:]:
        for form, mark in zip(columns, marks):
            if mark:
                shown[field, form] = mark
    wanted = {}
    for rule in RULES:
        wanted.update({(rule.field, form): REQUIRED for form in rule.required})
        wanted.update({(rule.field, form): OPTIONAL for form in rule.optional})
    assert {key: mark for key, mark in shown.items() if key[0] not in LOGIN_FIELDS} == wanted
    assert {field for field, _ in shown} - {field for field, _ in wanted} == LOGIN_FIELDS


def test_it_shows_the_lengths(page):
    shown = {(row[0], row[1]) for row in tables(page)[0][1:]}
    for rule in RULES:
        if rule.longest:
            length = (str(rule.longest) if rule.shortest == rule.longest
                      else f"{rule.shortest or 0}\u2013{rule.longest}")
            assert (rule.field, length) in shown, rule.field


def test_it_can_be_read_and_nothing_else(sandbox):
    assert call(sandbox.url + "/help/cc", "HEAD").status == 200
    for method in ("POST", "PUT", "DELETE"):
        assert call(sandbox.url + "/help/cc", method).status == 405
