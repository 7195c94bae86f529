"""The OpenAPI document is complete and true, and so is the table of problems."""

import json
from pathlib import Path

import pytest

from fairstall.model import errors
from fairstall.serving import problems, schema
from fairstall.serving.app import create_app
from fairstall.serving.openapi import openapi_document
from fairstall.serving.problems import KINDS, TYPE_PREFIX, kind_of, problem_body

DOCS = Path(__file__).parents[2] / "docs"
PAGE, METRICS_PAGE = (DOCS / "api.md").read_text(), (DOCS / "observing.md").read_text()
METHODS = {"get", "post"}


def every_error():
    def below(kind):
        return {kind, *(found for child in kind.__subclasses__() for found in below(child))}

    return {
        kind
        for kind in below(errors.FairstallError)
        if kind.__module__.startswith(("fairstall.model.", "fairstall.serving."))
    }


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def test_every_route_is_in_the_document_and_the_other_way_round(sqlite_engine, make_parts):
    parts = make_parts(sqlite_engine)
    app = create_app(parts)
    routes = {(route.path, method.lower()) for route in app.routes for method in route.methods or ()}
    documented = {(path, method) for path, item in openapi_document()["paths"].items() for method in item}
    assert {(path, method) for path, method in routes if method in METHODS} == documented
    parts.model.close()


def test_every_reference_leads_somewhere():
    components = openapi_document()["components"]
    kept = {f"#/components/{kind}/{name}" for kind in ("schemas", "headers") for name in components[kind]}
    found = set(references(openapi_document()))
    assert found
    assert found <= kept


@pytest.mark.parametrize("query", ["", "?scores=true"])
def test_answers_have_the_shape_that_the_document_says(served, a_listing, query):
    batch = [a_listing(1), a_listing(2, "Old pistol"), {}]
    answers = served.client.post(f"/v1/score/batch{query}", json=batch)
    schema.BatchAnswer.model_validate_json(answers.content)
    one = served.client.post(f"/v1/score{query}", json=a_listing(title="Pure heroin"))
    schema.Answer.model_validate_json(one.content)
    read = served.client.get(f"/v1/decisions/{one.json()['decision_id']}{query}")
    schema.StoredDecision.model_validate_json(read.content)
    schema.Problem.model_validate_json(served.score({}).content)
    schema.Health.model_validate_json(served.client.get("/healthz").content)
    schema.Readiness.model_validate_json(served.client.get("/readyz").content)


def test_the_document_is_served_and_needs_no_key(unmoved):
    response = unmoved.client.get("/openapi.json", headers={"Authorization": ""})
    assert response.json() == json.loads(json.dumps(openapi_document()))


def test_every_error_that_callers_can_meet_has_its_own_line_in_the_table():
    told_as_internal = {kind for kind in every_error() if kind_of(kind.__new__(kind)).status == 500}
    assert told_as_internal == {
        kind for kind in every_error() if not issubclass(kind, errors.InputError | errors.ServiceError)
    }
    assert all(kind in KINDS for kind in every_error() - told_as_internal)


def test_inner_errors_are_told_without_their_words():
    for error in (errors.BundleError("/secret/path"), ValueError("secret"), KeyError("secret")):
        assert "secret" not in str(problem_body(error))


def test_every_type_of_problem_is_explained():
    for kind in KINDS.values():
        assert f"`{TYPE_PREFIX}{kind.name}`" in PAGE, kind
        assert f"| {kind.status} |" in PAGE


def test_every_route_and_metric_is_explained(unmoved):
    for path in openapi_document()["paths"]:
        assert f"`{path}`" in PAGE or f" {path}`" in PAGE, path
    for line in unmoved.client.get("/metrics").text.splitlines():
        if line.startswith("# HELP"):
            name = line.split()[2].removesuffix("_created")
            assert f"`{name}`" in METRICS_PAGE.replace("_total`", "`") + METRICS_PAGE, line


def test_lone_surrogates_in_a_callers_names_cannot_break_the_answer():
    body = problem_body(errors.ListingError("\ud800", "unknown"))
    assert json.dumps(body, ensure_ascii=False).encode()
    assert problems.problem_response(errors.ListingError("\ud800", "x")).status_code == 422
