"""An agent: the client of the official Python SDK, which signs in by itself, driven call by call."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from clients.oauth import REDIRECT, Memory
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    Implementation,
    LoggingMessageNotification,
    TextContent,
)
from pydantic import AnyUrl

from e2e.browser import Browser
from e2e.quota import LEFT

ANSWER_SECONDS = 20.0


@dataclass
class PendingCall:
    """A tool call that is under way."""

    answer: Future[str]
    events: queue.Queue[str] = field(default_factory=queue.Queue)

    def event(self) -> str:
        """The words of the next progress event."""
        return self.events.get(timeout=ANSWER_SECONDS)

    def result(self) -> str:
        """The text of the result; raises `MCPError` if there is none."""
        return self.answer.result(ANSWER_SECONDS)


class Agent:
    """Connects in that mode (`auto` or `legacy`), and has its user sign in when it is asked to; a context manager.

    With an `auth` of its own it has no need to.
    """

    def __init__(self, url: str, user: str, mode: str = "auto", auth: httpx2.Auth | None = None) -> None:
        self.url = url
        self.mode = mode
        self.browser = Browser(user)
        self.statuses: list[int] = []
        """Of all answers to what it posted to the endpoint, in order."""
        self.left: dict[str, int] = {}
        """What is left of each limit, by the last answer that said so."""
        self.news: queue.Queue[str] = queue.Queue()
        """What the server logged on the session's own stream."""
        self.pages: list[str] = []
        """What the user was shown to sign in."""
        self.questions: list[str] = []
        """What a server asked in the middle of a call; the answers are always the same."""
        self.headers: dict[str, str] = {}
        """What every request has beside the client's own."""
        self._memory = Memory()
        self._back = ""
        registration = OAuthClientMetadata(client_name="agent", redirect_uris=[AnyUrl(REDIRECT)])
        oauth = OAuthClientProvider(url, registration, self._memory, self._ask_user, self._sent_back)
        self._auth = auth or oauth
        self._stack = ExitStack()
        self._portal: BlockingPortal
        self._connection: AbstractContextManager[Client]
        self._client: Client

    def __enter__(self) -> Self:
        with self._stack:
            self._portal = self._stack.enter_context(start_blocking_portal())
            self._connect()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self._connection.__exit__(None, None, None)

    @property
    def version(self) -> str:
        """Of the protocol."""
        return self._client.protocol_version

    @property
    def server(self) -> str:
        """The name of the server that the client was introduced to."""
        assert self._client.server_info is not None
        return self._client.server_info.name

    @property
    def token(self) -> str:
        """The access token it has now."""
        return self._portal.call(self._memory.get_tokens).access_token

    def start_over(self) -> None:
        """Connects anew, as clients do whose session is gone; the token stays."""
        self._connection.__exit__(None, None, None)
        self._connect()

    def list_tools(self) -> list[str]:
        listed = self._portal.call(lambda: self._client.list_tools(cache_mode="bypass"))
        return [tool.name for tool in listed.tools]

    def call(self, tool: str, **arguments: Any) -> str:
        return self.begin(tool, **arguments).result()

    def begin(self, tool: str, **arguments: Any) -> PendingCall:
        """Calls a tool and does not wait."""
        events: queue.Queue[str] = queue.Queue()

        async def on_progress(_done: float, _total: float | None, message: str | None) -> None:
            events.put(message or "")

        async def call() -> str:
            result = await self._client.call_tool(tool, arguments, progress_callback=on_progress)
            return "".join(block.text for block in result.content if isinstance(block, TextContent))

        return PendingCall(self._portal.start_task_soon(call), events)

    def _connect(self) -> None:
        self._connection = self._portal.wrap_async_context_manager(self._connected())
        self._client = self._connection.__enter__()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        async def add_headers(request: httpx2.Request) -> None:
            request.headers.update(self.headers)

        async def read_head(response: httpx2.Response) -> None:
            if str(response.url) == self.url and response.request.method == "POST":
                self.statuses.append(response.status_code)
                left = {name: int(rest) for name, rest in LEFT.findall(response.headers.get("ratelimit", ""))}
                self.left = {**self.left, **left}

        async def read_message(message: Any) -> None:
            if isinstance(message, LoggingMessageNotification):
                self.news.put(str(message.params.data))

        async with create_mcp_http_client(auth=self._auth) as http:
            http.event_hooks = {"request": [add_headers], "response": [read_head]}
            async with Client(
                streamable_http_client(self.url, http_client=http),
                mode=self.mode,
                client_info=Implementation(name=f"{self.browser.user}s-agent", version="1"),
                message_handler=read_message,
                elicitation_callback=self._answer_question,
                sampling_callback=self._answer_prompt,
                read_timeout_seconds=ANSWER_SECONDS,
            ) as client:
                yield client

    async def _answer_question(self, _context: Any, params: Any) -> ElicitResult:
        self.questions.append(params.message)
        return ElicitResult(action="accept", content={"name": "Ada"})

    async def _answer_prompt(self, _context: Any, params: Any) -> CreateMessageResult:
        self.questions.append(params.messages[0].content.text)
        text = TextContent(type="text", text="All is well.")
        return CreateMessageResult(role="assistant", model="none", content=text)

    async def _ask_user(self, url: str) -> None:
        self.pages.append(url)
        self._back = await anyio.to_thread.run_sync(self.browser.authorize, url)

    async def _sent_back(self) -> AuthorizationCodeResult:
        answer = parse_qs(urlsplit(self._back).query)
        return AuthorizationCodeResult(**{name: value for name, [value] in answer.items()})
