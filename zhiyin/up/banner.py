"""What ``zhiyin up`` says once everything is ready: a banner for a person, one JSON line for a program.

In: the settings with every port fixed, and the time. Out: text.
"""

from typing import Any
from urllib.parse import urlencode

import msgspec

from config import Settings
from gateway.auth.roles import SUPERVISOR
from gateway.auth.tokens import AGENT, CHATBOT, issue_token, purpose


class UpAddresses(msgspec.Struct, frozen=True):
    """Where everything is, and what opens it. ``metrics``: URL by process."""

    http: str
    ws: str
    redis: str
    desk: str
    desk_token: str
    chatbot_token: str
    supervisor_token: str
    write_key: str
    metrics: dict[str, str]

    @property
    def desk_page(self) -> str:
        """The desk page, signed in: token and websocket stand behind the # and are sent nowhere."""
        return f"{self.http}/desk#{urlencode({'token': self.desk_token, 'ws': self.ws}, safe=':/')}"

    @property
    def outreach_page(self) -> str:
        """The page of customers to call first, signed in as the desk."""
        return f"{self.http}/outreach#{urlencode({'token': self.desk_token})}"

    @property
    def journeys_page(self) -> str:
        """The page of journey maps, signed in as a supervisor."""
        return f"{self.http}/journeys#{urlencode({'token': self.supervisor_token})}"

    def chat_page(self, customer_id: str) -> str:
        """The chat page of one customer, signed in as the chatbot."""
        parameters = {"token": self.chatbot_token, "ws": self.ws}
        return f"{self.http}/chat?{urlencode({'customer': customer_id})}#{urlencode(parameters, safe=':/')}"


def addresses_of(settings: Settings, now_s: int) -> UpAddresses:
    """The addresses of a set-up with these settings; tokens valid from ``now_s`` (epoch seconds)."""
    host = reachable_host(settings.host)
    more = purpose(settings.token_issuer, settings.token_audience)

    def token(subject: str, role: str) -> str:
        return issue_token(settings.token_secret, subject, role, settings.token_lifetime_s, now_s, more)

    return UpAddresses(
        http=f"http://{host}:{settings.http_port}",
        ws=f"ws://{host}:{settings.ws_port}",
        redis=settings.redis_url or "",
        desk=settings.desks[0],
        desk_token=token(settings.desks[0], AGENT),
        chatbot_token=token("chatbot", CHATBOT),
        supervisor_token=token("supervisor", SUPERVISOR),
        write_key=settings.write_keys[0],
        metrics={
            "gateway": f"http://{host}:{settings.gateway_metrics_port}/metrics",
            "engine": f"http://{host}:{settings.engine_metrics_port}/metrics",
        },
    )


def reachable_host(host: str) -> str:
    """``host`` as it stands in a URL; loopback for one that means every interface."""
    if host in {"0.0.0.0", "", "*"}:  # noqa: S104 - compared with, not bound to
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def json_line(addresses: UpAddresses) -> str:
    """One line of JSON for a program that drives us."""
    document: dict[str, Any] = {
        "http": addresses.http,
        "ws": addresses.ws,
        "redis": addresses.redis,
        "desk_token": addresses.desk_token,
        "write_key": addresses.write_key,
        "chatbot_token": addresses.chatbot_token,
        "metrics": addresses.metrics,
    }
    return msgspec.json.encode(document).decode() + "\n"


def banner(addresses: UpAddresses, settings: Settings, demo_customer: str | None) -> str:
    """What a person at the terminal wants to know now. ``demo_customer``: a simulated one, None without a demo."""
    lines = [
        "",
        f"Zhiyin is up: {addresses.http}",
        "",
        f"  agent desk   {addresses.desk_page}",
        f"  call first   {addresses.outreach_page}",
        f"  journeys     {addresses.journeys_page}",
        f"  chat page    {addresses.chat_page(demo_customer or 'CUSTOMER')}",
        f"  collector    POST {addresses.http}/v1/track   (write key {addresses.write_key})",
        f"  websocket    {addresses.ws}",
        f"  desk token   {addresses.desk_token}   (desk {addresses.desk})",
        f"  Redis        {without_password(addresses.redis)}",
        *(f"  metrics      {url}   ({name})" for name, url in addresses.metrics.items()),
        "",
    ]
    if demo_customer is not None:
        lines[-1:] = [f"  demo form    {addresses.http}/demo   (its face check never works)", ""]
        quiet = "quiet hours kept" if settings.quiet_hours else "quiet hours off"
        lines += [
            f"  Demo: simulated customers, {settings.speed:g} times as fast as life, {quiet}.",
            "  The first hint comes within half a minute, the first customer to call within a minute.",
            "",
        ]
    return "\n".join([*lines, "Ctrl-C stops everything.", ""])


def without_password(url: str) -> str:
    """``url`` fit to be shown."""
    scheme, separator, rest = url.partition("://")
    _, at, address = rest.rpartition("@")
    return f"{scheme}{separator}***@{address}" if at else url
