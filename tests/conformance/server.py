"""An MCP server that has everything the conformance suite asks for, in both protocol eras.

`python -m conformance.server --port N` serves `http://127.0.0.1:N/mcp`, with sessions and resumable
streams in the legacy era. Any check that fails behind the gateway and not here is the gateway's.
"""

import argparse
import warnings

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning
from starlette.applications import Starlette

from conformance import prompts, resources
from conformance.event_store import MemoryEventStore
from conformance.lax import IgnoreRoutingHeaders
from conformance.tools import Tools

NAME = "conformance-everything"
RETRY_MS = 100


async def _set_level(_: ServerRequestContext, __: types.SetLevelRequestParams) -> types.EmptyResult:
    return types.EmptyResult()


def app() -> Starlette:
    """The server as an ASGI application with its endpoint at `/mcp`."""
    bus = InMemorySubscriptionBus()
    tools = Tools(bus)
    server = Server(
        NAME,
        version="1.0.0",
        get_tool_input_schema=tools.input_schema,
        on_list_tools=tools.list,
        on_call_tool=tools.call,
        on_list_prompts=prompts.list_prompts,
        on_get_prompt=prompts.get_prompt,
        on_completion=prompts.complete,
        on_list_resources=resources.list_resources,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read_resource,
        on_subscribe_resource=resources.subscribe,
        on_unsubscribe_resource=resources.unsubscribe,
        on_set_logging_level=_set_level,
        on_subscriptions_listen=ListenHandler(bus),
    )
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return server.streamable_http_app(event_store=MemoryEventStore(), retry_interval=RETRY_MS)


def main() -> None:
    """Serves until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--lax", action="store_true", help="ignore the routing headers instead of checking them")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", MCPDeprecationWarning)  # The legacy era is what is tested here.
    served = IgnoreRoutingHeaders(app()) if arguments.lax else app()
    uvicorn.run(served, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
