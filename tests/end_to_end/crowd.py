"""Many connections of one process: `crowd.py PORT COUNT KEY` opens them and asks on each for a decision.

It prints a JSON object, how often each answer came ("ended" where there was none). For each line on standard input it
scores a listing on every connection that is still open, and prints the same; at the end of its input it leaves.
"""

import asyncio
import json
import resource
import sys
from collections import Counter

AT_ONCE = 200
FILES_BESIDE = 50


class Caller:
    """One connection."""

    def __init__(self, number: int, port: int, key: str) -> None:
        self.number, self.port, self.key = number, port, key
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def look(self) -> str:
        try:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return "ended"
        return await self.ask("GET", "/v1/decisions/01a204c1-3b4d-7a00-8002-80c02c6a26b6", b"")

    async def score(self) -> str:
        listing = {"listing_id": f"l-{self.number}", "seller_id": "s", "title": "Chair", "description": "A chair."}
        return await self.ask("POST", "/v1/score", json.dumps(listing).encode())

    async def ask(self, method: str, path: str, body: bytes) -> str:
        if self.streams is None:
            return "gone"
        reader, writer = self.streams
        head = f"{method} {path} HTTP/1.1\r\nHost: fairstall\r\nAuthorization: Bearer {self.key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            writer.write(head.encode() + body)
            told = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(told.split(b"content-length: ")[1].split(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError):
            self.leave()
            return "ended"
        if b"connection: close" in told:
            self.leave()
        return told[9:12].decode()

    def leave(self) -> None:
        if self.streams:
            self.streams[1].close()
        self.streams = None


def tell(answers: list[str]) -> None:
    sys.stdout.write(json.dumps(Counter(answers)) + "\n")
    sys.stdout.flush()


async def main(port: int, count: int, key: str) -> None:
    callers = [Caller(number, port, key) for number in range(count)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def looked(caller: Caller) -> str:
        async with gate:
            return await caller.look()

    tell(await asyncio.gather(*map(looked, callers)))
    while await asyncio.to_thread(sys.stdin.readline):
        tell(await asyncio.gather(*(caller.score() for caller in callers)))
    for caller in callers:
        caller.leave()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, int(sys.argv[2]) + FILES_BESIDE), hard))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
