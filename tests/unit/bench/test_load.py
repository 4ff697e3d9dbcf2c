"""The load generator against a server of the test's own."""

import asyncio

from bench.load import Connection, Run

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"


async def run(answers, count, rate, connections):
    """Send to a server that answers with these in turn; what the generator tells."""
    seen = []

    async def serve(reader, writer):
        try:
            while True:
                seen.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answers[(len(seen) - 1) % len(answers)])
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    step = Run([f"GET /{n} HTTP/1.1\r\n\r\n".encode() for n in range(count)], rate)
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Connection(step), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    step.idle.extend(opened)
    told = await step.go()
    for one in opened:
        one.close()
    server.close()
    return told, seen


def test_every_request_is_sent_once_in_order_and_answered():
    told, seen = asyncio.run(run([ANSWER], 50, 0.0, 1))
    assert [one.split()[1] for one in seen] == [f"/{n}".encode() for n in range(50)]
    assert (told.answered, told.good, told.refusal) == (50, 50, 0)


def test_constant_arrival_takes_as_long_as_its_rate_says():
    told, seen = asyncio.run(run([ANSWER], 40, 400.0, 4))
    assert told.keeps_up
    assert len(seen) == 40
    assert told.seconds >= 39 / 400


def test_an_answer_that_is_not_200_is_told_and_is_no_rate_kept_up():
    told, _ = asyncio.run(run([ANSWER, REFUSAL], 10, 500.0, 2))
    assert (told.answered, told.good, told.refusal, told.keeps_up) == (10, 5, 503, False)
