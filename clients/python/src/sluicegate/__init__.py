"""A client for Sluicegate, a realtime WebSocket broker: asyncio, typed, and back by itself after every interruption.

    async with Client("wss://host/ws", token="…") as client:
        room = client.channel("room:1")
        async with room:
            await room.publish({"text": "hi"})
            async for message in room:
                print(message.data)

``AdminClient`` and ``AsyncAdminClient`` call the admin API.
"""

from .admin import AdminClient, AdminError, AsyncAdminClient
from .channel import Channel
from .client import Client
from .errors import SluicegateError
from .history import History
from .typing_indicator import Typing
from .values import Gap, HistoryPage, Member, Message, Position, Published, RoomChange, Sender, StateChange

__all__ = [
    "AdminClient",
    "AdminError",
    "AsyncAdminClient",
    "Channel",
    "Client",
    "Gap",
    "History",
    "HistoryPage",
    "Member",
    "Message",
    "Position",
    "Published",
    "RoomChange",
    "Sender",
    "SluicegateError",
    "StateChange",
    "Typing",
]
