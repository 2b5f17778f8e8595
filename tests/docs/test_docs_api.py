"""Every route, parameter, answer and status is documented as OpenAPI has it."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from feature_manifold.server.openapi import openapi_document
from tests.docs.pages import headings, names_in, page, section, tables

API = "docs/api.md"


@cache
def document() -> dict[str, Any]:
    return openapi_document()


def routes() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    }


def test_every_route_has_a_section_and_every_section_a_route() -> None:
    titled = [title for title in headings(page(API)) if re.match(r"(GET|POST|PUT|DELETE) ", title)]
    assert sorted(titled) == sorted(routes())


@pytest.mark.parametrize("route", routes())
def test_every_parameter_is_in_the_table_with_its_default(route: str) -> None:
    wanted = {
        parameter["name"]: parameter["schema"].get("default")
        for parameter in routes()[route].get("parameters", [])
    }
    rows = [
        row
        for header, found in tables(section(page(API), route))
        if header[0] == "parameter"
        for row in found
    ]
    documented = {names_in(row[0])[0]: row[1] for row in rows}
    meanings = {names_in(row[0])[0]: row[2] for row in rows}
    assert documented.keys() == wanted.keys()
    for parameter in routes()[route].get("parameters", []):
        most = parameter["schema"].get("maximum", parameter["schema"].get("maxLength"))
        if most is not None:
            assert f"{most:,}" in meanings[parameter["name"]], (
                f"{route}: most of {parameter['name']}"
            )
    for name, default in wanted.items():
        if default is not None:
            assert documented[name] == f"`{default}`", f"{route}: default of {name}"


def fields_of(route: str) -> dict[str, dict[str, Any]]:
    """Return the fields of a route's question, or none if it takes no body."""
    body = routes()[route].get("requestBody")
    if body is None:
        return {}
    name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    found: dict[str, dict[str, Any]] = document()["components"]["schemas"][name]["properties"]
    return found


@pytest.mark.parametrize("route", [route for route in routes() if fields_of(route)])
def test_every_field_of_a_question_is_in_the_table_with_its_default(route: str) -> None:
    rows = [
        row
        for header, found in tables(section(page(API), route))
        if header[0] == "field"
        for row in found
    ]
    documented = {name: row for row in rows for name in names_in(row[0])}
    assert documented.keys() == fields_of(route).keys()
    for name, field in fields_of(route).items():
        _, default, meaning = documented[name]
        if meaning.startswith("As for "):
            continue
        if field.get("default") is not None:
            assert default == f"`{json.dumps(field['default'])}`".replace(".0`", "`"), name
        for key in ("maximum", "maxLength", "maxItems"):
            if field.get(key, 1 << 53) < (1 << 53) - 1:
                assert f"{int(field[key]):,}" in meaning, f"{route}: most of {name}"


@pytest.mark.parametrize("route", routes())
def test_every_status_is_listed(route: str) -> None:
    match = re.search(r"Answers\s([\d,\s]+)\.", section(page(API), route))
    assert match is not None, f"{route}: say which statuses it answers with"
    assert re.findall(r"\d+", match[1]) == sorted(routes()[route]["responses"])


def keys_of(schema: dict[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names of all properties of an answer, nested ones too."""
    reference = schema.get("$ref", "")
    if reference:
        name = reference.rsplit("/", 1)[1]
        if name not in seen:
            yield from keys_of(document()["components"]["schemas"][name], seen | {name})
        return
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from keys_of(part, seen)
    for part in (schema.get("items"), *schema.get("anyOf", ()), *schema.get("prefixItems", ())):
        if isinstance(part, dict):
            yield from keys_of(part, seen)


@pytest.mark.parametrize("route", routes())
def test_every_key_of_an_answer_is_in_the_section(route: str) -> None:
    content = routes()[route]["responses"]["200"]["content"]
    named = set(names_in(section(page(API), route).replace("\n", " ")))
    missing = set(keys_of(content["application/json"]["schema"])) - named
    assert not missing, f"{API}, {route}: {', '.join(sorted(missing))} is missing"
    tabled = {
        name
        for header, rows in tables(section(page(API), route))
        if header[0] == "key"
        for row in rows
        for name in names_in(row[0])
    }
    assert tabled <= set(keys_of(content["application/json"]["schema"]))
    if "application/octet-stream" in content:
        assert "As binary body:" in section(page(API), route)
