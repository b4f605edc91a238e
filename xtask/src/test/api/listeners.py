"""Clients that are connected while the admin API is called, and come back when they are sent away.

listeners.py ADDRESS TOKEN...: prints "connected" when all of them are."""

import asyncio
import json
import sys

import websockets

CHANNELS = ["room:1", "room:räume", "plain"]


async def listen(address, token, connected):
    while True:
        try:
            async with websockets.connect(f"ws://{address}/ws", subprotocols=["sluicegate.v1.json"]) as client:
                payload = {"version": 1, "token": token, "subscribe": [{"channel": channel} for channel in CHANNELS]}
                await client.send(json.dumps({"type": "connect", "id": 1, "payload": payload}))
                async for message in client:
                    if json.loads(message)["type"] == "ack":
                        connected.set()
        except (OSError, websockets.WebSocketException):
            pass
        await asyncio.sleep(0.2)


async def main(address, tokens):
    clients = [asyncio.Event() for _ in tokens]
    tasks = [asyncio.create_task(listen(address, token, event)) for token, event in zip(tokens, clients)]
    await asyncio.gather(*(event.wait() for event in clients))
    print("connected", flush=True)
    await asyncio.gather(*tasks)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
