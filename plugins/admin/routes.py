"""`/v1/admin`: processing status, the library's files, a rescan, jobs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from mediaserver import HTTPResponse, Request, admin, json, query, row_id, timestamp
from mediaserver.contracts import Catalog, Clock, Encoding, EncodingState, Jobs, Library, Reason, Streaming
from mediaserver.errors import Conflict

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

STAGES = {
    EncodingState.PENDING: "pending",
    EncodingState.PROCESSING: "in_progress",
    EncodingState.READY: "completed",
    EncodingState.PARTIAL: "completed",
    EncodingState.FAILED: "failed",
    EncodingState.OFFLINE: "pending",
}


class Paging(BaseModel):
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Where(BaseModel):
    path: Annotated[str, Field(min_length=1, max_length=4096)]


def register(registry: RouteRegistry) -> None:
    catalog, streaming = registry.services.get(Catalog), registry.services.get(Streaming)
    library, jobs, clock = registry.services.get(Library), registry.services.get(Jobs), registry.services.get(Clock)

    # Not counted, as the news are not: with each of them the pages ask it for every film that is being made.
    @registry.get("/v1/admin/content/<ref:str>/processing-status", guard=admin, limit=None, scope="library:read")
    async def processing_status(_request: Request, ref: str) -> HTTPResponse:
        title_id = await catalog.resolve(ref)
        return json(status_of(title_id, await streaming.progress(title_id), clock))

    @registry.get("/v1/admin/library", guard=admin, scope="library:read", query=Paging)
    async def files(request: Request) -> HTTPResponse:
        paging = query(request, Paging)
        page = await library.locations(page=paging.page, limit=paging.limit)
        return json({"files": [_file(reason) for reason in page.items], "pagination": _pagination(page)})

    @registry.get("/v1/admin/library/why", guard=admin, scope="library:read", query=Where)
    async def why(request: Request) -> HTTPResponse:
        return json(_file(await library.why(Path(query(request, Where).path))))

    @registry.post("/v1/admin/library/scan", guard=admin, scope="library:write", status=202)
    async def scan(_request: Request) -> HTTPResponse:
        await library.scan()
        return json({"message": "The watcher was asked to look."}, status=202)

    @registry.get("/v1/admin/jobs", guard=admin, scope="admin", query=Paging)
    async def job_list(request: Request) -> HTTPResponse:
        paging = query(request, Paging)
        page = await jobs.list(page=paging.page, limit=paging.limit)
        shown = [{**_fields(job), "id": str(job.id)} for job in page.items]
        return json({"jobs": shown, "pagination": _pagination(page)})

    @registry.post("/v1/admin/jobs/<job:str>/retry", guard=admin, scope="admin", errors=(409,))
    async def retry(_request: Request, job: str) -> HTTPResponse:
        return _done(await jobs.retry(row_id(job)), "Only a job that failed or was cancelled can be tried again.")

    @registry.post("/v1/admin/jobs/<job:str>/cancel", guard=admin, scope="admin", errors=(409,))
    async def cancel(_request: Request, job: str) -> HTTPResponse:
        return _done(await jobs.cancel(row_id(job)), "Only a job that is due or running can be cancelled.")


def status_of(title_id: int, encoding: Encoding, clock: Clock) -> dict[str, Any]:
    """The answer of processing-status."""
    finish = clock.now() + timedelta(seconds=encoding.eta) if encoding.eta is not None else None
    return {
        "content_id": str(title_id),
        "status": encoding.state.value,
        "progress": round(encoding.percent, 1),
        "reason": encoding.reason,
        "stages": {
            "upload": "completed",
            "encoding": STAGES[encoding.state],
            "thumbnail_generation": "completed" if encoding.picture else "pending",
            "cdn_distribution": "skipped",
        },
        "estimated_completion": timestamp(finish) if finish else None,
        "grid": {name: "".join("1" if made else "0" for made in row) for name, row in encoding.rungs.items()},
    }


def _file(reason: Reason) -> dict[str, Any]:
    content = str(reason.title_id) if reason.title_id is not None else None
    path = reason.path.encode("utf-8", "replace").decode()
    return {"path": path, "state": reason.state, "reason": reason.sentence, "content_id": content}


def _fields(job: Any) -> dict[str, Any]:
    return {name: getattr(job, name) for name in ("kind", "key", "state", "progress", "attempt", "worker", "error")}


def _pagination(page: Any) -> dict[str, Any]:
    return {"page": page.page, "limit": page.limit, "total": page.total, "has_next": page.has_next}


def _done(done: bool, otherwise: str) -> HTTPResponse:
    if not done:
        raise Conflict(otherwise)
    return json({"message": "Done."})
