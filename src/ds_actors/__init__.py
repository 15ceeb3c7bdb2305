"""Supervised actors for trio."""

from ds_actors._actor import Actor, Context, DeferredReply, Inbox
from ds_actors._backoff import Backoff, ExponentialBackoff, Failure
from ds_actors._conflate import Conflate
from ds_actors._errors import (
    ActorError,
    ActorStopped,
    AskDropped,
    AskFailed,
    AskTimeout,
    Ignore,
    RestartLimitReached,
    SendDropped,
    StartFailed,
)
from ds_actors._exits import Exit
from ds_actors._group import Group
from ds_actors._lifetime import Down
from ds_actors._mailbox import EMPTY, Dropped, Empty, Mailbox, MailboxStatistics, Refused
from ds_actors._pool import PoolRef, PoolSpec
from ds_actors._queue_mailboxes import DropOldest, Latest, Reject
from ds_actors._ref import ActorRef, Answer, Request
from ds_actors._snapshot import Counts
from ds_actors._specs import ChildSpec, Spec, SupervisorSpec
from ds_actors._supervisor import Supervisor
from ds_actors._supervisor_ref import SupervisorRef
from ds_actors._telemetry import (
    ChildEnded,
    ChildReady,
    DeadLetter,
    Node,
    RestartScheduled,
    SupervisorGaveUp,
    TelemetryEvent,
)
from ds_actors._version import __version__

__all__ = [
    "EMPTY",
    "Actor",
    "ActorError",
    "ActorRef",
    "ActorStopped",
    "Answer",
    "AskDropped",
    "AskFailed",
    "AskTimeout",
    "Backoff",
    "ChildEnded",
    "ChildReady",
    "ChildSpec",
    "Conflate",
    "Context",
    "Counts",
    "DeadLetter",
    "DeferredReply",
    "Down",
    "DropOldest",
    "Dropped",
    "Empty",
    "Exit",
    "ExponentialBackoff",
    "Failure",
    "Group",
    "Ignore",
    "Inbox",
    "Latest",
    "Mailbox",
    "MailboxStatistics",
    "Node",
    "PoolRef",
    "PoolSpec",
    "Refused",
    "Reject",
    "Request",
    "RestartLimitReached",
    "RestartScheduled",
    "SendDropped",
    "Spec",
    "StartFailed",
    "Supervisor",
    "SupervisorGaveUp",
    "SupervisorRef",
    "SupervisorSpec",
    "TelemetryEvent",
    "__version__",
]
