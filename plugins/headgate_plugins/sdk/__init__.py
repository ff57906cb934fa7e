"""What a plugin author imports, and nothing else."""

from headgate_plugins.sdk.hooks import (
    ALLOW,
    Allow,
    Block,
    Blocked,
    Context,
    Modify,
    NoOptions,
    Plugin,
    ReplyReviewer,
    Verdict,
)

__all__ = [
    "ALLOW",
    "Allow",
    "Block",
    "Blocked",
    "Context",
    "Modify",
    "NoOptions",
    "Plugin",
    "ReplyReviewer",
    "Verdict",
]
