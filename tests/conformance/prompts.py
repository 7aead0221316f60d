"""The prompts the suite reads."""

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from conformance import input_required
from conformance.media import PNG


def _prompt(name: str, description: str, *arguments: str) -> types.Prompt:
    wanted = [types.PromptArgument(name=argument, description=argument, required=True) for argument in arguments]
    return types.Prompt(name=name, description=description, arguments=wanted)


PROMPTS = [
    _prompt("test_simple_prompt", "One message, no arguments"),
    _prompt("test_prompt_with_arguments", "Repeats its arguments", "arg1", "arg2"),
    _prompt("test_prompt_with_embedded_resource", "Embeds the resource it is given", "resourceUri"),
    _prompt("test_prompt_with_image", "Shows an image"),
    _prompt("test_input_required_result_prompt", "Asks the client for input first"),
]


def _messages(*contents: types.ContentBlock | str) -> types.GetPromptResult:
    blocks = [types.TextContent(text=content) if isinstance(content, str) else content for content in contents]
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=block) for block in blocks])


async def list_prompts(_: ServerRequestContext, __: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    """All prompts, on one page."""
    return types.ListPromptsResult(prompts=PROMPTS)


async def get_prompt(
    _: ServerRequestContext, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    """One prompt with its arguments filled in.

    Raises:
        MCPError: -32602 for an unknown name or a missing argument.
    """
    arguments = params.arguments or {}
    try:
        match params.name:
            case "test_simple_prompt":
                return _messages("This is a simple prompt for testing.")
            case "test_prompt_with_arguments":
                return _messages(f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'")
            case "test_prompt_with_embedded_resource":
                contents = types.TextResourceContents(
                    uri=arguments["resourceUri"],
                    mime_type="text/plain",
                    text="Embedded resource content for testing.",
                )
                return _messages(
                    types.EmbeddedResource(resource=contents), "Please process the embedded resource above."
                )
            case "test_prompt_with_image":
                return _messages(types.ImageContent(data=PNG, mime_type="image/png"), "Please analyze the image above.")
            case "test_input_required_result_prompt":
                return input_required.prompt(params)
    except KeyError as missing:
        raise MCPError(code=types.INVALID_PARAMS, message=f"Missing argument: {missing.args[0]}") from None
    raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown prompt: {params.name}")


async def complete(_: ServerRequestContext, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Suggestions for a prompt's argument: three words that begin with what was typed."""
    values = [params.argument.value + ending for ending in ("a", "b", "c")]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))
