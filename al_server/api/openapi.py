"""/openapi.json, made from the models that validate requests and write answers."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

import al_server
from al_server.answers import ErrorOut
from al_server.api.operation import Operation, operation_of
from al_server.api.validation import NoQuery
from al_server.models import Name, SampleId
from al_server.security.access import CSRF_HEADER, OPEN_ENDPOINTS

Json = dict[str, Any]
_Mode = Literal["validation", "serialization"]
_METHODS = ("GET", "POST", "PUT", "DELETE")
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
_PATH_PARAMETERS: dict[str, Json] = {
    "name": {"schema": TypeAdapter(Name).json_schema(), "description": "the campaign"},
    "number": {"schema": {"type": "integer"}, "description": "the comparison"},
    "sample_id": {
        "schema": TypeAdapter(SampleId).json_schema(),
        "description": "the sample, written as one segment: a slash in it is `%2F`",
    },
}


def description(app: Flask) -> Json:
    """Describe all operations of an app, as OpenAPI 3.1."""
    found = list(_operations(app))
    schemas = _Schemas([read for _, _, _, read in found])
    paths: dict[str, Json] = {}
    for path, method, rule, read in found:
        paths.setdefault(path, {})[method.lower()] = _described(rule, read, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "al_server",
            "version": al_server.__version__,
            "description": "An active-learning labeling loop: always the sample worth most next.",
        },
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": _security(app)},
        "security": [{"token": []}, {"cookie": []}],
    }


def _operations(app: Flask) -> Iterator[tuple[str, str, Rule, Operation]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: one.rule):
        read = operation_of(app.view_functions[rule.endpoint])
        if read is not None:
            for method in _METHODS:
                if method in (rule.methods or ()):
                    yield _VARIABLE.sub(r"{\1}", rule.rule), method, rule, read


class _Schemas:
    """The schemas of all models, each where it can be referred to."""

    def __init__(self, operations: list[Operation]) -> None:
        wanted: dict[tuple[type[BaseModel], _Mode], None] = {(ErrorOut, "serialization"): None}
        for read in operations:
            if read.body is not None:
                wanted[read.body, "validation"] = None
            if read.answer is not None:
                wanted[read.answer, "serialization"] = None
        self._references, together = models_json_schema(
            list(wanted), ref_template="#/components/schemas/{model}"
        )
        self.definitions: Json = together["$defs"]

    def content(self, model: type[BaseModel], mode: _Mode) -> Json:
        return {"application/json": {"schema": self._references[model, mode]}}


def _described(rule: Rule, read: Operation, schemas: _Schemas) -> Json:
    described: Json = {
        "operationId": rule.endpoint.replace(".", "_"),
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": read.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, **_PATH_PARAMETERS[name]}
            for name in sorted(rule.arguments)
        ]
        + _query_parameters(read.query),
        "responses": {
            str(read.status): {"description": "done", "content": _answers(read, schemas)},
            "default": {
                "description": "an error: what, where, and what to do",
                "content": schemas.content(ErrorOut, "serialization"),
            },
        },
    }
    if read.description:
        described["description"] = read.description
    if read.body is not None:
        content = schemas.content(read.body, "validation")
        described["requestBody"] = {"required": True, "content": content}
    if rule.endpoint in OPEN_ENDPOINTS:
        described["security"] = []
    return described


def _answers(read: Operation, schemas: _Schemas) -> Json:
    if read.answer is not None:
        return schemas.content(read.answer, "serialization")
    return {kind: {} for kind in read.produces}


def _query_parameters(query: type[BaseModel]) -> list[Json]:
    if query is NoQuery:
        return []
    schema = query.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": field.pop("description", ""),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]


def _security(app: Flask) -> Json:
    return {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "not needed on a server that listens on loopback without a token",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": app.config["SESSION_COOKIE_NAME"],
            "description": f"of the sign-in page; unsafe methods need {CSRF_HEADER} too",
        },
    }
