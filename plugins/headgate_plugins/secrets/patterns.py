"""What credentials look like, by the issuers' own documentation.

Only shapes that an issuer made recognisable are listed: a guess by entropy would redact hashes,
ids and encoded data that a model needs to see.
"""

from __future__ import annotations

import re

PATTERNS: dict[str, str] = {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    "aws-access-key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "aws-secret-key": r"(?<=aws_secret_access_key=)[A-Za-z0-9/+]{40}\b",
    # https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
    "github-token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})",
    "gitlab-token": r"\bglpat-[A-Za-z0-9_-]{20,64}",
    "anthropic-key": r"\bsk-ant-[A-Za-z0-9_-]{20,200}",
    "openai-key": r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}",
    "google-api-key": r"\bAIza[A-Za-z0-9_-]{35}",
    "groq-key": r"\bgsk_[A-Za-z0-9]{20,100}",
    "xai-key": r"\bxai-[A-Za-z0-9]{20,120}",
    "huggingface-token": r"\bhf_[A-Za-z0-9]{20,60}",
    "headgate-key": r"\bhg-[A-Za-z0-9_-]{30,120}",
    # https://api.slack.com/concepts/token-types
    "slack-token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}",
    # https://docs.stripe.com/keys
    "stripe-key": r"\b[rs]k_live_[A-Za-z0-9]{16,250}",
    "npm-token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "pypi-token": r"\bpypi-[A-Za-z0-9_-]{50,250}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "url-password": r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)",
    "private-key": (
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]{1,16000}?"
        r"-----END (?:[A-Z]+ )*PRIVATE KEY-----"
    ),
}

KINDS: tuple[str, ...] = tuple(PATTERNS)


def compiled(kinds: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for these kinds; the name of the group that matched is `kind_of` it."""
    groups = (f"(?P<{kind.replace('-', '_')}>{PATTERNS[kind]})" for kind in kinds)
    return re.compile("|".join(groups))


def kind_of(match: re.Match[str]) -> str:
    """The kind of credential that was found."""
    return (match.lastgroup or "").replace("_", "-")
