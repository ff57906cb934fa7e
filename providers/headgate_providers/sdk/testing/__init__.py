"""A conformance kit for backends: what every backend must keep, whatever it speaks.

from headgate_providers.sdk.testing import BackendConformance, Exchange, Samples

class TestMine(BackendConformance):
    backend = MyBackend
    samples = Samples(
        says="Hello", text=Exchange.json({...}), text_streamed=Exchange.sse({...}, "[DONE]"), ...
    )

The checks are plain tests that bring their own event loop and their own upstream on loopback; they
need no plugin of the test runner. What a backend does not support is an explicit `None`, and its
tests are skipped with that as the reason.
"""

from headgate_providers.sdk.testing.claims import ClaimsConform
from headgate_providers.sdk.testing.failures import FailuresConform
from headgate_providers.sdk.testing.relays import RelaysConform
from headgate_providers.sdk.testing.replies import RepliesConform
from headgate_providers.sdk.testing.requests import RequestsConform
from headgate_providers.sdk.testing.samples import CREDENTIAL, NO_UPSTREAM, Exchange, Samples
from headgate_providers.sdk.testing.upstream import Received, Script, ScriptedUpstream

__all__ = [
    "CREDENTIAL",
    "NO_UPSTREAM",
    "BackendConformance",
    "Exchange",
    "Received",
    "Samples",
    "Script",
    "ScriptedUpstream",
]


class BackendConformance(
    RepliesConform, FailuresConform, RequestsConform, RelaysConform, ClaimsConform
):
    """Subclass it in a test module; set at least `backend` and `samples` (see `Harness`)."""
