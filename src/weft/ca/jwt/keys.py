"""The keys that sign JWT-SVIDs: kept in one private file, each replaced by the next one after a day.

A key is published an hour before it signs and stays published until the last token that it signed has ended, so that whoever
reads the key set now and then can check every token.
"""

import base64
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from weft import jwt
from weft.ca import keys
from weft.ca.csr import key_pem, new_key, private_key
from weft.identity import SpiffeId

log = logging.getLogger("weft.ca")

LIFE = timedelta(minutes=5)
MOST_AUDIENCES, LONGEST_AUDIENCE = 20, 1024


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a key signs, and how long before and after it is published. `after` is longer than any token lives."""

    signs: timedelta = timedelta(days=1)
    before: timedelta = timedelta(hours=1)
    after: timedelta = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and from when on it signs (Unix seconds)."""

    key: ec.EllipticCurvePrivateKey
    since: float

    @property
    def public(self) -> jwt.Key:
        """What others check with."""
        return jwt.Key(jwt.thumbprint(self.key.public_key()), self.key.public_key(), "ES256")


def advanced(known: Sequence[SigningKey], now: float, schedule: Schedule) -> tuple[SigningKey, ...]:
    """The keys to have at `now`, the older first: those that nobody needs any more are gone, the next one is there in time."""
    if not known:
        return (SigningKey(new_key(), now),)
    after = schedule.after.total_seconds()
    kept = (*(key for key, successor in pairwise(known) if now < successor.since + after), known[-1])
    due = kept[-1].since + (schedule.signs - schedule.before).total_seconds()
    return kept if now < due else (*kept, SigningKey(new_key(), now + schedule.before.total_seconds()))


def signing(known: Sequence[SigningKey], now: float) -> SigningKey:
    """The key that signs at `now`."""
    return next((key for key in reversed(known) if key.since <= now), known[0])


class _Kept(msgspec.Struct, frozen=True):
    key: str
    since: float


class JwtKeys:
    """The signing keys of one file. Calls may write to the disk, once a day."""

    def __init__(self, path: Path, now: Callable[[], datetime], schedule: Schedule = Schedule()) -> None:
        self._path = path
        self._now = now
        self._schedule = schedule
        self._known: tuple[SigningKey, ...] | None = None

    def token(self, identity: SpiffeId, audiences: Sequence[str], life: timedelta = LIFE) -> tuple[str, float]:
        """A token of `identity` for `audiences`, and when it ends (Unix seconds). Raises ValueError for audiences that cannot be.

        `identity` must have been attested by the caller.
        """
        check_audiences(audiences)
        now = self._now().timestamp()
        by = signing(self._current(now), now)
        ends = int(now + life.total_seconds())
        claims = {"sub": str(identity), "aud": list(audiences), "exp": ends, "iat": int(now)}
        return jwt.signed(claims, by.public.kid, by.key), float(ends)

    def public(self) -> tuple[jwt.Key, ...]:
        """The keys that tokens are checked with now."""
        return tuple(each.public for each in self._current(self._now().timestamp()))

    def key_set(self) -> bytes:
        """The same as a key set, in JSON."""
        return msgspec.json.encode(jwt.key_set(self.public()))

    def _current(self, now: float) -> tuple[SigningKey, ...]:
        known = self._read() if self._known is None else self._known
        current = advanced(known, now, self._schedule)
        if current != known:
            self._write(current)
            log.info("event=jwt_keys_changed keys=%s", ",".join(each.public.kid[:8] for each in current))
        self._known = current
        return current

    def _read(self) -> tuple[SigningKey, ...]:
        try:
            content = msgspec.json.decode(keys.read(self._path), type=list[_Kept])
            return tuple(SigningKey(private_key(base64.b64decode(each.key)), each.since) for each in content)
        except FileNotFoundError:
            return ()
        except (ValueError, msgspec.DecodeError) as error:  # tokens live for minutes: new keys cost little
            log.warning("event=jwt_keys_unreadable path=%s reason=%r", self._path, str(error))
            return ()

    def _write(self, current: Sequence[SigningKey]) -> None:
        content = [_Kept(base64.b64encode(key_pem(each.key)).decode(), each.since) for each in current]
        keys.write(self._path, msgspec.json.encode(content))


def check_audiences(audiences: Sequence[str]) -> None:
    """Raises ValueError unless a token may be made for these audiences."""
    if not audiences or not all(audiences):
        raise ValueError("a token needs an audience")
    if len(audiences) > MOST_AUDIENCES or any(len(each.encode()) > LONGEST_AUDIENCE for each in audiences):
        raise ValueError(f"a token has at most {MOST_AUDIENCES} audiences of {LONGEST_AUDIENCE} bytes")
