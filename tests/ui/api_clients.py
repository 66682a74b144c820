"""A page with the public functions alone, and other programs' ways to them: gradio_client and MCP's own client."""

from __future__ import annotations

from typing import Any

import gradio as gr
import httpx
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from studio import api
from studio.studio import Studio
from studio.ui.logins import Login
from tests.ui.studios import Served


def page_with_api(studio: Studio) -> gr.Blocks:
    with gr.Blocks(title="MusicGen Studio", analytics_enabled=False) as blocks:
        gr.Markdown("A page.")
        api.register(studio)
    return blocks


def client_of(served: Served, login: Login | None = None) -> Client:
    auth = (login.name, login.password) if login else None
    return Client(served.url, auth=auth, verbose=False, analytics_enabled=False)


def ask(client: Client, name: str, **named: Any) -> dict[str, Any]:
    answer = client.predict(api_name=f"/{name}", **named)
    assert isinstance(answer, dict)
    return answer


async def with_mcp(url: str, headers: dict[str, str], calls: list[tuple[str, dict[str, Any]]]) -> tuple[Any, list[Any]]:
    """The tools that are there, and what the calls answered."""
    async with (
        httpx.AsyncClient(headers=headers, timeout=30.0, trust_env=False) as http,
        streamable_http_client(f"{url}/gradio_api/mcp/", http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = (await session.list_tools()).tools
        return tools, [await session.call_tool(name, named) for name, named in calls]
