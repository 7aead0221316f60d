"""The resources the suite reads, and legacy subscriptions to them."""

import json
import re

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from conformance.media import PNG

TEMPLATE = types.ResourceTemplate(
    uri_template="test://template/{id}/data",
    name="template",
    description="Data for an id",
    mime_type="application/json",
)
TEMPLATE_URI = re.compile(r"test://template/(?P<id>[^/]+)/data")

RESOURCES = [
    types.Resource(uri="test://static-text", name="text", description="A text", mime_type="text/plain"),
    types.Resource(uri="test://static-binary", name="image", description="A PNG", mime_type="image/png"),
    types.Resource(uri="test://watched-resource", name="watched", description="Can be watched", mime_type="text/plain"),
]


async def list_resources(_: ServerRequestContext, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    """All resources, on one page."""
    return types.ListResourcesResult(resources=RESOURCES)


async def list_templates(
    _: ServerRequestContext, __: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    """All templates, on one page."""
    return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])


def _contents(uri: str) -> types.TextResourceContents | types.BlobResourceContents | None:
    match uri:
        case "test://static-text":
            text = "This is the content of the static text resource."
            return types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)
        case "test://static-binary":
            return types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
        case "test://watched-resource":
            return types.TextResourceContents(uri=uri, mime_type="text/plain", text="Watched.")
    if found := TEMPLATE_URI.fullmatch(uri):
        data = {"id": found["id"], "templateTest": True, "data": f"Data for ID: {found['id']}"}
        return types.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
    return None


async def read_resource(_: ServerRequestContext, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    """The contents behind a URI.

    Raises:
        MCPError: -32602 with the URI in `data` if nothing is there (SEP-2164).
    """
    contents = _contents(str(params.uri))
    if contents is None:
        raise MCPError(code=types.INVALID_PARAMS, message="Resource not found", data={"uri": str(params.uri)})
    return types.ReadResourceResult(contents=[contents])


async def subscribe(_: ServerRequestContext, __: types.SubscribeRequestParams) -> types.EmptyResult:
    """Accepts a subscription; nothing here changes, so nothing is ever sent."""
    return types.EmptyResult()


async def unsubscribe(_: ServerRequestContext, __: types.UnsubscribeRequestParams) -> types.EmptyResult:
    """Accepts the end of a subscription."""
    return types.EmptyResult()
