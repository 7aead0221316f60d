"""Tools and a prompt that ask the client for input by returning `input_required` (2026-07-28).

A handler is called again with the answers in `inputResponses` and, where it keeps state between
rounds, its `requestState`. The server's request-state boundary seals that state and refuses a
tampered one before a handler sees it.
"""

from collections.abc import Callable
from typing import TypeVar

import mcp_types as types
from mcp.server.context import ServerRequestContext

Kind = TypeVar("Kind")
Params = types.InputResponseRequestParams
Rounds = Callable[[ServerRequestContext, Params], types.CallToolResult | types.InputRequiredResult]


def text(content: str) -> types.CallToolResult:
    """A tool result of one text block."""
    return types.CallToolResult(content=[types.TextContent(text=content)])


def elicit(message: str, field: str, kind: str = "string") -> types.ElicitRequest:
    """A form of one required field of JSON type `kind`."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, max_tokens: int) -> types.CreateMessageRequest:
    """A request that the client's model answer `prompt`."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=prompt))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def ask(state: str | None = None, **requests: types.InputRequest) -> types.InputRequiredResult:
    """An `input_required` result with the given requests by key."""
    return types.InputRequiredResult(input_requests=requests, request_state=state)


def answer(params: Params, key: str, kind: type[Kind]) -> Kind | None:
    """The client's answer under `key`, or None if it is absent or of another kind."""
    found = (params.input_responses or {}).get(key)
    return found if isinstance(found, kind) else None


def field(params: Params, key: str, name: str) -> object | None:
    """The field `name` of an accepted form under `key`."""
    form = answer(params, key, types.ElicitResult)
    return form.content.get(name) if form and form.action == "accept" and form.content else None


def elicitation(_: ServerRequestContext, params: Params):
    """One form; asked again until it holds a name."""
    name = field(params, "user_name", "name")
    return text(f"Hello, {name}!") if name else ask(user_name=elicit("What is your name?", "name"))


def sampling(_: ServerRequestContext, params: Params):
    """One question to the client's model."""
    reply = answer(params, "capital_question", types.CreateMessageResult)
    if reply is None:
        return ask(capital_question=sample("What is the capital of France?", 100))
    return text(f"The model said: {reply.content}")


def list_roots(_: ServerRequestContext, params: Params):
    """One request for the client's roots."""
    roots = answer(params, "client_roots", types.ListRootsResult)
    if roots is None:
        return ask(client_roots=types.ListRootsRequest())
    return text("Roots: " + ", ".join(str(root.uri) for root in roots.roots))


def request_state(_: ServerRequestContext, params: Params):
    """One form whose answer counts only with the state of the first round."""
    if params.request_state == "asked" and field(params, "confirm", "ok") is not None:
        return text("state-ok")
    return ask("asked", confirm=elicit("Please confirm", "ok", "boolean"))


def multiple_inputs(_: ServerRequestContext, params: Params):
    """A form, a question to the model and the roots, all at once."""
    name = field(params, "user_name", "name")
    greeting = answer(params, "greeting", types.CreateMessageResult)
    roots = answer(params, "client_roots", types.ListRootsResult)
    if name is None or greeting is None or roots is None:
        return ask(
            "asked",
            user_name=elicit("What is your name?", "name"),
            greeting=sample("Generate a greeting", 50),
            client_roots=types.ListRootsRequest(),
        )
    return text(f"{greeting.content} {name}, {len(roots.roots)} roots")


def multi_round(_: ServerRequestContext, params: Params):
    """Two forms, one after the other; the state carries the first answer."""
    name = field(params, "step1", "name")
    if name is not None:
        return ask(f"name={name}", step2=elicit("Step 2: What is your favorite color?", "color"))
    color = field(params, "step2", "color")
    if color is not None and params.request_state:
        return text(f"{params.request_state}, color={color}")
    return ask("start", step1=elicit("Step 1: What is your name?", "name"))


def capabilities(ctx: ServerRequestContext, params: Params):
    """Asks only for what the client said it can do."""
    declared = ctx.session.client_capabilities or types.ClientCapabilities()
    requests: dict[str, types.InputRequest] = {}
    if declared.sampling is not None:
        requests["greeting"] = sample("Generate a greeting", 50)
    if declared.elicitation is not None:
        requests["user_name"] = elicit("What is your name?", "name")
    return text("done") if params.input_responses or not requests else ask(**requests)


def prompt(params: types.GetPromptRequestParams) -> types.GetPromptResult | types.InputRequiredResult:
    """A prompt that asks for its context first."""
    context = field(params, "user_context", "context")
    if context is None:
        return ask(user_context=elicit("What context should the prompt use?", "context"))
    content = types.TextContent(text=f"Answer in the context of: {context}")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


TOOLS: dict[str, Rounds] = {
    "test_input_required_result_elicitation": elicitation,
    "test_input_required_result_sampling": sampling,
    "test_input_required_result_list_roots": list_roots,
    "test_input_required_result_request_state": request_state,
    "test_input_required_result_tampered_state": request_state,
    "test_input_required_result_multiple_inputs": multiple_inputs,
    "test_input_required_result_multi_round": multi_round,
    "test_input_required_result_capabilities": capabilities,
    "test_streaming_elicitation": elicitation,
}
