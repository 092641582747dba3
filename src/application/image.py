"""Use cases of the profile image: upload, removal, read, pre-signed URL."""

from contextlib import suppress
from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import ErrorCode, FieldError, ImageTooLarge, InvalidInput, InvalidToken, RateLimited, Unavailable
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import Limits, refusing_limit
from .audit import record
from .ports import Clock, Database, Images, PresignedUrl, RateLimiter, Storage, UnreadableImage
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import REQUIRED

MAX_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadImage:
    """Stores a PNG, JPEG, WebP, GIF, HEIC or AVIF as the image of the caller's account and deletes the previous one.

    Raises `InvalidInput` for other data, `ImageTooLarge` above 5 MiB, `RateLimited` if the account has uploaded too many, also
    refused ones; `InvalidToken` if the session was revoked meanwhile, `Overloaded`, `Unavailable`.
    """

    database: Database
    images: Images
    storage: Storage
    rate_limiter: RateLimiter
    limits: Limits
    clock: Clock

    def __call__(self, *, identity: Identity, profile_image: bytes | None, caller: Caller = TRUSTED_CALLER) -> Account:
        if profile_image is None:
            raise InvalidInput({"profile_image": [REQUIRED]})
        if len(profile_image) > MAX_BYTES:
            raise ImageTooLarge
        self._count(identity.account.id)
        try:
            image = self.images.normalise(profile_image)
        except UnreadableImage as error:
            raise InvalidInput({"profile_image": [FieldError(ErrorCode.UNREADABLE_IMAGE, str(error))]}) from None
        name = self.storage.put(image)
        try:
            account, previous = self._set(identity, name, caller)
        except InvalidToken:
            # After any other error the account may reference it: an unreferenced file is better than a missing one.
            _discard(self.storage, name)
            raise
        if previous is not None:
            _discard(self.storage, previous)
        return account

    def _count(self, account_id: int) -> None:
        """Counts before the image is decoded, which is the cost of an upload."""
        limits = self.limits.uploads_per_account
        if retry_after := self.rate_limiter.hit(f"uploads:{account_id}", limits, self.clock()):
            raise RateLimited(retry_after, policy="uploads", limit=refusing_limit(limits, retry_after))

    @retry_on_conflict
    def _set(self, identity: Identity, name: str, caller: Caller) -> tuple[Account, str | None]:
        with self.database.begin() as tx:
            account = identity.lock_account(tx, self.clock)
            after = replace(account, image=name)
            tx.accounts.save(after)
            session_id = identity.session_id
            record(tx, EventType.IMAGE_CHANGED, self.clock(), caller, account_id=account.id, session_id=session_id)
        return after, account.image


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage:
    """Removes the image of the caller's account, and deletes the file. An account without an image is left as it is.

    Raises `InvalidToken` if the session was revoked meanwhile, `Unavailable`.
    """

    database: Database
    storage: Storage
    clock: Clock

    def __call__(self, *, identity: Identity, caller: Caller = TRUSTED_CALLER) -> None:
        removed = self._remove(identity, caller)
        if removed is not None:
            _discard(self.storage, removed)

    @retry_on_conflict
    def _remove(self, identity: Identity, caller: Caller) -> str | None:
        with self.database.begin() as tx:
            account = identity.lock_account(tx, self.clock)
            if account.image is not None:
                tx.accounts.save(replace(account, image=None))
                session_id, now = identity.session_id, self.clock()
                record(tx, EventType.IMAGE_CHANGED, now, caller, account_id=account.id, session_id=session_id, detail="removed")
        return account.image


def _discard(storage: Storage, name: str) -> None:
    """Deletes a file. One that cannot be deleted now is left to `SweepImages`; the call succeeds or fails regardless."""
    with suppress(Unavailable):
        storage.delete(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage:
    """The bytes of an image (WebP) by its name; None if there is none. The name is the only credential."""

    storage: Storage

    def __call__(self, name: str) -> bytes | None:
        return self.storage.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetImageUrl:
    """A pre-signed URL of an image by its name, good for some minutes; None if the storage has none or the name is invalid.

    Raises `Unavailable`.
    """

    storage: Storage

    def __call__(self, name: str) -> PresignedUrl | None:
        return self.storage.presigned_url(name)
