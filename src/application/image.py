"""The profile image."""

from contextlib import suppress
from dataclasses import dataclass, replace

from ..domain.account import Account
from ..domain.errors import ImageTooLarge, InvalidInput, InvalidToken, Unavailable
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from .ports import Clock, Database, Images, PresignedUrl, Storage, UnreadableImage
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import REQUIRED

MAX_BYTES = 5 * 1024 * 1024
BATCH = 500
_SETTLED_SECONDS = 3600.0
"""Longer than any upload takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadImage:
    """Makes a picture of the caller's account out of a PNG, JPEG, WebP or GIF; the one before it is removed.

    Raises `InvalidInput` where it is no such image, `ImageTooLarge` above 5 MiB, `InvalidToken` where the session has ended
    meanwhile, `Overloaded`, `Unavailable`.
    """

    database: Database
    images: Images
    storage: Storage
    clock: Clock

    def __call__(self, *, identity: Identity, profile_image: bytes | None, caller: Caller = TRUSTED_CALLER) -> Account:
        if profile_image is None:
            raise InvalidInput({"profile_image": [REQUIRED]})
        if len(profile_image) > MAX_BYTES:
            raise ImageTooLarge
        try:
            picture = self.images.normalise(profile_image)
        except UnreadableImage as error:
            raise InvalidInput({"profile_image": [str(error)]}) from None
        name = self.storage.put(picture)
        try:
            account, old = self._hang(identity, name, caller)
        except InvalidToken:
            self._discard(name)  # after any other fault the account may have it: an orphan is better than a hole
            raise
        if old is not None:
            self._discard(old)
        return account

    def _discard(self, name: str) -> None:
        """What cannot be removed now is an orphan, for `SweepImages`; the answer stands either way."""
        with suppress(Unavailable):
            self.storage.delete(name)

    @retry_on_conflict
    def _hang(self, identity: Identity, name: str, caller: Caller) -> tuple[Account, str | None]:
        with self.database.begin() as tx:
            account = tx.lock_identity(identity.account.id, identity.session_id, self.clock())
            if account is None:
                raise InvalidToken
            now = self.clock()
            after = replace(account, image=name)
            tx.accounts.save(after)
            event = Event(
                type=EventType.IMAGE_CHANGED,
                occurred_at=now,
                account_id=account.id,
                session_id=identity.session_id,
                caller=caller,
            )
            tx.audit_log.add(event)
        return after, account.image


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage:
    """The bytes of a picture (WebP) by its name; None where there is none. Whoever knows the name may see it."""

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


@dataclass(frozen=True, slots=True)
class SweepReport:
    """How many pictures there are, apart from those of the last hour; how many of them no account has; how many went."""

    images: int
    unreferenced: int
    deleted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepImages:
    """Counts the pictures that no account has, and with `delete` removes them.

    They come of an upload that was killed halfway, and of a storage that was down when a picture was replaced. Those of the
    last hour do not count, for an upload may be about to name them. Nobody does this unasked, for with a database that is not
    theirs all are orphans; and where all are, none is removed. Raises `Unavailable`; what was removed until then stays so.
    """

    database: Database
    storage: Storage

    def __call__(self, *, delete: bool = False) -> SweepReport:
        orphans = set(self.storage.names(older_than=_SETTLED_SECONDS))  # first: whoever has one of them has it by now
        images, after = len(orphans), 0
        while found := self.database.accounts.with_images(after, limit=BATCH):
            orphans.difference_update(name for _, name in found)
            after = found[-1][0]
        doomed = orphans if delete and len(orphans) < images else ()
        for name in doomed:
            self.storage.delete(name)
        return SweepReport(images, len(orphans), len(doomed))
