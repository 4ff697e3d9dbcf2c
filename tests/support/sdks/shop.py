"""A shop's program with one of three Python SDKs: `shop.py SDK URL KEY COUNT SECONDS`.

It says that it is ready, waits for a line, sends COUNT calls over SECONDS, waits until the SDK is done, and
writes the SDK's ids of them as a JSON array.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

ODD = {"rate": math.nan, "search": "\ud83d"}
"""What programs pass on without a thought: a division by zero, half an emoji. Neither is JSON."""

Send = Callable[[int], str]
"""Makes the call of this number; the SDK's id of it."""


def main() -> None:
    """Send, wait, tell."""
    name, url, key, count, seconds = sys.argv[1:]
    send, finish = {"segment": segment, "rudderstack": rudderstack, "posthog": posthog}[name](url, key)
    print("ready", file=sys.stderr, flush=True)
    sys.stdin.readline()
    ids = []
    for number in range(int(count)):
        ids.append(send(number))
        time.sleep(float(seconds) / int(count))
    finish()
    print(json.dumps(ids))


def segment(url: str, key: str) -> tuple[Send, Callable[[], None]]:
    """Segment's."""
    from segment.analytics.client import Client

    client = Client(key, host=url)
    return _calls(client), client.flush


def rudderstack(url: str, key: str) -> tuple[Send, Callable[[], None]]:
    """RudderStack's."""
    from rudderstack.analytics.client import Client

    client = Client(key, host=url)
    return _calls(client), client.flush


def posthog(url: str, key: str) -> tuple[Send, Callable[[], None]]:
    """PostHog's. It gives up after 3 retries unless told otherwise: `max_retries` is its setting for that."""
    from posthog import Posthog

    client = Posthog(key, host=url, max_retries=30, flush_interval=0.5)

    def send(number: int) -> str:
        person = f"posthog-{number % 7}"
        if number % 5 == 0:
            told = client.set(distinct_id=person, properties={"email": f"{person}@example.com"})
        else:
            told = client.capture("Plan Viewed", distinct_id=person, properties={"number": number, **ODD})
        assert told is not None
        return told

    return send, client.shutdown


def _calls(client: Any) -> Send:
    """One call after the other, of every kind there is."""

    def each() -> Iterator[tuple[bool, dict[str, Any]]]:
        number = 0
        while True:
            user = f"{type(client).__module__.split('.')[0]}-{number % 7}"
            yield client.track(user, "Plan Viewed", {"number": number, **ODD})
            yield client.identify(user, {"email": f"{user}@example.com", "plan": "gold"})
            yield client.page(user, "shop", "Home", {"path": "/"})
            yield client.screen(user, "shop", "Home")
            yield client.group(user, "initech", {"name": "Initech"})
            yield client.track(
                user, "Order Completed", {"order_id": f"{user}-{number}", "total": 9.5, "currency": "EUR"}
            )
            number += 1

    calls = each()

    def send(_: int) -> str:
        queued, message = next(calls)
        assert queued
        return str(message["messageId"])

    return send


if __name__ == "__main__":
    main()
