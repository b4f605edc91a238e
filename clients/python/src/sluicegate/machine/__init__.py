"""The client as a pure state machine: events and the time in, effects out. It knows no socket, no task and no clock."""

from .effects import AskToken, Close, Complain, Deliver, Effect, Fail, Open, Report, Send, Settle
from .machine import Machine
from .options import MachineOptions

__all__ = [
    "AskToken",
    "Close",
    "Complain",
    "Deliver",
    "Effect",
    "Fail",
    "Machine",
    "MachineOptions",
    "Open",
    "Report",
    "Send",
    "Settle",
]
