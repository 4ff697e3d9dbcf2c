"""On which channel a message was made: web, app, or unknown where a server speaks for somebody."""

from services.gateway.segment.message import Message, as_text

_APP = (
    "ios",
    "android",
    "swift",
    "kotlin",
    "react-native",
    "react native",
    "flutter",
    "unity",
    "xamarin",
    "expo",
)
_APP_SYSTEMS = ("ios", "ipados", "android", "watchos", "tvos")
_WEB = ("analytics.js", "analytics-next", "javascript", "browser", "web", "posthog-js", "ajs")
_SAID = {"web": "web", "browser": "web", "mobile": "app", "app": "app"}


def channel_of(message: Message) -> str:
    """A page is web and a screen is app. Else the message's own word, its library, and what it says of a device
    or a page decide, in this order; a server's library says nothing of the person's channel.
    """
    if message.type in ("page", "screen"):
        return "web" if message.type == "page" else "app"
    if said := _SAID.get((message.channel or "").casefold()):
        return said
    context = message.context or {}
    library = _within(context, "library", "name")
    if any(word in library for word in _APP):
        return "app"
    if any(word in library for word in _WEB):
        return "web"
    system, device = _within(context, "os", "name"), _within(context, "device", "type")
    if system in _APP_SYSTEMS or device in _APP_SYSTEMS:
        return "app"
    if context.get("page") or context.get("userAgent"):
        return "web"
    return "unknown"


def _within(context: dict[str, object], name: str, inner: str) -> str:
    found = context.get(name)
    return as_text(found.get(inner)).casefold() if isinstance(found, dict) else ""
