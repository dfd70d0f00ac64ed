"""The routes of a server as an OpenAPI 3.1 document, and as a page that needs no script and no network."""

from __future__ import annotations

import html
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from mediaserver import __version__
from mediaserver.core.actors import public
from mediaserver.core.routes import PARAMETER, SAFE, Route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

SCHEMA = "#/components/schemas/{model}"
KINDS = {
    "str": {"type": "string"},
    "strorempty": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "ymd": {"type": "string", "format": "date"},
}
CREDENTIALS: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "access_token"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error", "timestamp", "request_id"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "examples": ["NOT_FOUND"]},
                "message": {"type": "string"},
                "details": {"type": ["string", "null"]},
                "fields": {
                    "description": "What to correct.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "problem"],
                        "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
                    },
                },
                "limit": {"description": "Streams the account may have.", "type": "integer"},
                "active_count": {"description": "Streams it has.", "type": "integer"},
                "sessions": {
                    "description": "Who holds them, as GET /v1/streaming/sessions lists them.",
                    "type": "array",
                    "items": {"type": "object"},
                },
            },
        },
        "timestamp": {"type": "string", "format": "date-time"},
        "request_id": {"type": "string"},
    },
}
REFUSALS = {
    "400": "The request cannot be understood; `fields` names what to correct.",
    "401": "Sign in first.",
    "403": "This may not be done by you.",
    "404": "There is nothing here.",
    "409": "This does not fit the state things are in.",
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color-scheme: dark light }
h2 { margin: 2rem 0 .5rem } summary { cursor: pointer; padding: .25rem 0 }
code { font-size: .95em; overflow-wrap: anywhere }
b { display: inline-block; width: 4.5rem }
pre { overflow: auto; padding: .5rem; border: 1px solid #8886; border-radius: 4px }
small { opacity: .75 }
"""


def document(routes: Iterable[Route], base_path: str) -> dict[str, Any]:
    """Every route with its parameters, body, answer and who may use it."""
    listed = sorted(routes, key=lambda route: (route.path, route.method))
    schemas, definitions = _schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
        paths.setdefault(_template(route.path), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mediaserver", "version": __version__},
        "servers": [{"url": base_path or "/"}],
        "paths": paths,
        "components": {"schemas": {**definitions, "Error": ERROR}, "securitySchemes": CREDENTIALS},
    }


def _schemas(routes: list[Route]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """References by (model, mode), and what they refer to."""
    models: dict[tuple[type[BaseModel], Any], None] = {}
    for route in routes:
        for model, mode in ((route.body, "validation"), (route.query, "validation"), (route.answer, "serialization")):
            if model is not None:
                models[model, mode] = None
    references, definitions = models_json_schema(list(models), ref_template=SCHEMA)
    return dict(references), definitions.get("$defs", {})


def _operation(route: Route, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{_template(route.path)}").strip("_"),
        "summary": _summary(route),
        "tags": [route.plugin],
        "x-guard": route.guard.name,
        "responses": _responses(route, schemas),
    }
    if parameters := [*_parameters(route.path), *_query(route.query)]:
        operation["parameters"] = parameters
    if route.guard is not public:
        operation["security"] = [{name: []} for name in CREDENTIALS]
    if route.limit:
        operation["x-rate-group"] = route.limit
    if route.scope:
        operation["x-scope"] = route.scope
    if route.body is not None:
        operation["requestBody"] = {
            "content": _json(schemas[route.body, "validation"]),
            "required": any(field.is_required() for field in route.body.model_fields.values()),
        }
    return operation


def _responses(route: Route, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if route.answer is not None:
        success["content"] = _json(schemas[route.answer, "serialization"])
    codes = ["401", "403"] if route.guard is not public else []
    asks = route.body is not None or route.query is not None or route.method not in SAFE
    codes += ["400"] if asks else []
    codes += ["404"] if PARAMETER.search(route.path) else []
    codes += [str(code) for code in route.errors]
    responses = {str(route.status): success}
    for code in sorted(set(codes)):
        responses[code] = {"description": REFUSALS.get(code) or HTTPStatus(int(code)).phrase, **_told(route)}
    responses["default"] = {"description": "Anything else that went wrong.", **_told(route)}
    return responses


def _told(route: Route) -> dict[str, Any]:
    """Dialects have error forms of their own."""
    if route.path.startswith("/v1/") or route.plugin == "core":
        return {"content": _json({"$ref": SCHEMA.format(model="Error")})}
    return {}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _template(path: str) -> str:
    return PARAMETER.sub(r"{\1}", path)


def _parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": KINDS.get(kind or "str") or {"type": "string", "pattern": f"^({kind})$"},
        }
        for name, kind in PARAMETER.findall(path)
    ]


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    """The fields of a model as parameters; of flat values, as a query string has them."""
    if model is None:
        return []
    told = model.model_json_schema()
    return [
        {"name": name, "in": "query", "required": name in told.get("required", []), "schema": schema}
        for name, schema in told["properties"].items()
    ]


def _summary(route: Route) -> str:
    said = (route.handler.__doc__ or "").strip().partition("\n")[0]
    return said or route.handler.__name__.replace("_", " ").capitalize()


def page(told: dict[str, Any], base_path: str) -> str:
    """The same for people."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>Mediaserver API</title><style>{STYLE}</style>"]
    parts.append(f"<h1>Mediaserver {html.escape(told['info']['version'])}</h1>")
    parts.append(f'<p>The same for programs: <a href="{html.escape(base_path)}/docs/openapi.json">openapi.json</a></p>')
    by_plugin: dict[str, list[str]] = {}
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            by_plugin.setdefault(operation["tags"][0], []).append(_shown(method, path, operation))
    for plugin, shown in by_plugin.items():
        parts += [f"<h2>{html.escape(plugin)}</h2>", *shown]
    return "\n".join(parts)


def _shown(method: str, path: str, operation: dict[str, Any]) -> str:
    detail = {key: operation[key] for key in ("parameters", "requestBody", "responses") if key in operation}
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> "
        f"{html.escape(operation['summary'])} <small>{html.escape(operation['x-guard'])}</small></summary>"
        f"<pre>{html.escape(json.dumps(detail, indent=2))}</pre></details>"
    )
