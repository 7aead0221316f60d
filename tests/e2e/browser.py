"""A user with a browser: fills in the forms that an authorization server shows."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import httpx

MAX_PAGES = 20
PAGE_SECONDS = 10.0


class Browser:
    """Keeps its cookies, so whoever logged in once stays logged in."""

    def __init__(self, user: str) -> None:
        self.user = user
        self._client = httpx.Client(timeout=PAGE_SECONDS)

    def authorize(self, url: str) -> str:
        """Opens an authorization URL and consents to everything; the URL that leads back to the client."""
        [back] = parse_qs(urlsplit(url).query)["redirect_uri"]
        request = self._client.build_request("GET", url)
        for _ in range(MAX_PAGES):
            response = self._client.send(request)
            request = response.next_request or self._submit(response)
            if str(request.url).startswith(back):
                return str(request.url)
        raise AssertionError(f"still at {request.url} after {MAX_PAGES} pages")

    def _submit(self, page: httpx.Response) -> httpx.Request:
        assert page.status_code == 200, f"{page.status_code} {page.text}"
        form = _Form(page.text)
        typed = {"login": self.user, "password": "any"}
        fields = {name: typed.get(name, value) for name, value in form.fields.items()}
        return self._client.build_request("POST", page.url.join(form.action), data=fields)


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)
        assert self.action, f"a page without a form: {page}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = attributes["action"]
        elif tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")
