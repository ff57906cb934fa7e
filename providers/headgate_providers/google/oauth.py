"""Access tokens for a service account: a signed JWT is exchanged for one.

https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import asyncio
import time
from importlib import import_module
from typing import Any

import httpx
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from headgate_providers.google.account import ServiceAccount
from headgate_providers.sdk import BackendError

# Optional packages, loaded so that type checking does not depend on their presence.
_jwk: Any = import_module("joserfc.jwk")
_errors: Any = import_module("joserfc.errors")
_jwt: Any = import_module("joserfc.jwt")

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFETIME_S = 3600
RENEW_BEFORE_S = 300.0
ATTEMPTS = 3
WAIT_S = 0.2
TIMEOUT_S = 10.0


class _Transient(Exception):
    """Worth another try."""


class TokenSource:
    """Keeps one token, renews it five minutes before it expires, with one fetch at a time.

    When a renewal fails, the old token serves until it really expires.
    """

    def __init__(self, account: ServiceAccount) -> None:
        self._account = account
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None
        self._token: str | None = None
        self._expires_s = 0.0

    async def token(self) -> str:
        """A token that is valid now; raises `BackendError` of kind `auth` or `connect`."""
        if (token := self._valid_for(RENEW_BEFORE_S)) is not None:
            return token
        async with self._lock:
            if (token := self._valid_for(RENEW_BEFORE_S)) is not None:
                return token
            try:
                return await self._renew()
            except BackendError:
                if (token := self._valid_for(0.0)) is not None:
                    return token
                raise

    def forget(self) -> None:
        """The token was refused: fetch another one for the next call."""
        self._token = None

    async def aclose(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()

    def _valid_for(self, seconds: float) -> str | None:
        return self._token if time.monotonic() + seconds < self._expires_s else None

    async def _renew(self) -> str:
        retries = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=WAIT_S, max=2.0),
            retry=retry_if_exception_type(_Transient),
            reraise=True,
        )
        try:
            answer: dict[str, Any] = await retries(self._fetch)
        except _Transient as error:
            raise BackendError("connect", "Google's token service could not be reached.") from error
        token, lifetime_s = answer.get("access_token"), answer.get("expires_in", 0)
        if not isinstance(token, str) or not isinstance(lifetime_s, int | float):
            raise BackendError("auth", "Google's token service gave no access token.")
        self._token, self._expires_s = token, time.monotonic() + lifetime_s
        return token

    async def _fetch(self) -> dict[str, Any]:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=TIMEOUT_S)
        form = {"grant_type": GRANT, "assertion": assertion(self._account, int(time.time()))}
        try:
            response = await self._client.post(self._account.token_url, data=form)
        except httpx.TransportError as error:
            raise _Transient from error
        if response.status_code == 429 or response.status_code >= 500:
            raise _Transient
        if response.status_code != 200:
            raise BackendError(
                "auth",
                "Google did not accept the service account: check that its key is still valid.",
                status=response.status_code,
            )
        try:
            answer = response.json()
        except ValueError as error:
            raise _Transient from error
        return answer if isinstance(answer, dict) else {}


def assertion(account: ServiceAccount, now_s: int) -> str:
    """The signed statement of who asks for what; raises `BackendError` if the key is broken."""
    header = {"alg": "RS256", "typ": "JWT"}
    if account.key_id:
        header["kid"] = account.key_id
    claims = {
        "iss": account.email,
        "scope": SCOPE,
        "aud": account.token_url,
        "iat": now_s,
        "exp": now_s + ASSERTION_LIFETIME_S,
    }
    try:
        key = _jwk.RSAKey.import_key(account.private_key)
        signed: str = _jwt.encode(header, claims, key, algorithms=["RS256"])
    except (ValueError, _errors.JoseError) as error:
        raise BackendError(
            "auth",
            "The service account's private key cannot be read: give its JSON file unchanged.",
        ) from error
    return signed
