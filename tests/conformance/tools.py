"""The tools the suite calls, and the ones it looks for in `tools/list`.

Legacy tools (`test_sampling`, `test_elicitation*`) send a request to the client while the call is
open; the modern ones in `input_required.py` return and are called again.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import PromptsListChanged, SubscriptionBus, ToolsListChanged
from mcp.shared.exceptions import MCPError

from conformance import elicitation_schemas, input_required
from conformance.input_required import text
from conformance.media import PNG, WAV

Context = ServerRequestContext
Handler = Callable[[Context, types.CallToolRequestParams], Awaitable[types.CallToolResult | types.InputRequiredResult]]

JSON_SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
REGION_HEADER = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
}


def _strings(*names: str) -> dict:
    properties = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": properties, "required": list(names)}


def _resource(uri: str, mime_type: str, content: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=content))


async def _fixed(result: types.CallToolResult, _: Context, __: types.CallToolRequestParams) -> types.CallToolResult:
    return result


async def _log_three_times(ctx: Context, _: types.CallToolRequestParams) -> types.CallToolResult:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", line, related_request_id=ctx.request_id)
        await anyio.sleep(0.05)
    return text("Logged three messages.")


async def _report_progress(ctx: Context, _: types.CallToolRequestParams) -> types.CallToolResult:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(0.05)
    return text("Reported progress three times.")


async def _sample(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    prompt = types.TextContent(text=(params.arguments or {}).get("prompt", ""))
    reply = await ctx.session.create_message(
        [types.SamplingMessage(role="user", content=prompt)], max_tokens=100, related_request_id=ctx.request_id
    )
    return text(f"LLM response: {reply.content}")


async def _elicit(schema: dict, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    message = (params.arguments or {}).get("message", "Please fill in the form")
    reply = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return text(f"Elicitation completed: action={reply.action}, content={reply.content}")


async def _close_stream(ctx: Context, _: types.CallToolRequestParams) -> types.CallToolResult:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await anyio.sleep(0.1)
    return text("Sent after the stream was closed; read by resuming it.")


async def _need_sampling(ctx: Context, _: types.CallToolRequestParams) -> types.CallToolResult:
    needed = types.ClientCapabilities(sampling=types.SamplingCapability())
    if not ctx.session.check_client_capability(needed):
        data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            code=types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="Client did not declare the sampling capability",
            data=data.model_dump(by_alias=True, mode="json", exclude_none=True),
        )
    return text("The client can sample.")


async def _publish(
    bus: SubscriptionBus, event: ToolsListChanged | PromptsListChanged, _: Context, __: types.CallToolRequestParams
) -> types.CallToolResult:
    await bus.publish(event)
    return text("Told the subscribers.")


async def _rounds(rounds: input_required.Rounds, ctx: Context, params: types.CallToolRequestParams):
    return rounds(ctx, params)


class Tools:
    """All tools by name, with the handlers of `tools/list` and `tools/call`."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self._tools: dict[str, tuple[types.Tool, Handler]] = {}
        image = types.ImageContent(data=PNG, mime_type="image/png")
        audio = types.AudioContent(data=WAV, mime_type="audio/wav")
        fixed = {
            "test_simple_text": [types.TextContent(text="This is a simple text response for testing.")],
            "test_image_content": [image],
            "test_audio_content": [audio],
            "test_embedded_resource": [
                _resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")
            ],
            "test_multiple_content_types": [
                types.TextContent(text="Multiple content types test:"),
                image,
                _resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
            ],
        }
        for name, content in fixed.items():
            self._add(name, partial(_fixed, types.CallToolResult(content=content)))
        failure = text("This tool intentionally returns an error for testing")
        self._add("test_error_handling", partial(_fixed, failure.model_copy(update={"is_error": True})))
        self._add("test_header_param", partial(_fixed, text("The header agreed.")), REGION_HEADER)
        self._add("json_schema_2020_12_tool", partial(_fixed, text("Listed for its schema.")), JSON_SCHEMA_2020_12)
        self._add("test_tool_with_logging", _log_three_times)
        self._add("test_logging_tool", _log_three_times)
        self._add("test_tool_with_progress", _report_progress)
        self._add("test_sampling", _sample, _strings("prompt"))
        self._add("test_elicitation", partial(_elicit, elicitation_schemas.CONTACT), _strings("message"))
        self._add("test_elicitation_sep1034_defaults", partial(_elicit, elicitation_schemas.DEFAULTS))
        self._add("test_elicitation_sep1330_enums", partial(_elicit, elicitation_schemas.ENUMS))
        self._add("test_reconnection", _close_stream)
        self._add("test_missing_capability", _need_sampling)
        self._add("test_trigger_tool_change", partial(_publish, bus, ToolsListChanged()))
        self._add("test_trigger_prompt_change", partial(_publish, bus, PromptsListChanged()))
        for name, rounds in input_required.TOOLS.items():
            self._add(name, partial(_rounds, rounds))

    def _add(self, name: str, handler: Handler, schema: dict | None = None) -> None:
        tool = types.Tool(name=name, description=name.replace("_", " "), input_schema=schema or {"type": "object"})
        self._tools[name] = (tool, handler)

    def input_schema(self, name: str) -> dict | None:
        """The schema of a tool's arguments, by which the SDK checks `Mcp-Param-*` headers."""
        found = self._tools.get(name)
        return found[0].input_schema if found else None

    async def list(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """All tools, on one page."""
        return types.ListToolsResult(tools=[tool for tool, _ in self._tools.values()])

    async def call(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Calls one tool.

        Raises:
            MCPError: -32602 for an unknown tool, or what the tool raises.
        """
        found = self._tools.get(params.name)
        if found is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")
        return await found[1](ctx, params)
