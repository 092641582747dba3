"""Checks of the stores: database, keys, outbox, Redis, S3."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import time
from urllib.parse import urlsplit

from ..container.factories import keys_file, rotates_keys
from ..container.inspection import (
    DatabaseFacts,
    KeyInfo,
    KeyKind,
    KeyState,
    PostgresFacts,
    SqliteFacts,
    Unavailable,
    backlog,
    database_facts,
    has_accounts,
    is_private,
    lacks_secret,
    list_keys,
    max_connections,
    probe_storage,
    redis_facts,
)
from ..settings import Settings, SettingsError
from .conversation import clock_at
from .findings import MAX_CLOCK_DIFFERENCE, Check, Finding, check, clock_of, error, ok, warning
from .startup import is_embedded, is_loopback

_SERVER_ADVICE = "start the database, or mend the URL; check the network between, and the password"
_FILE_ADVICE = "name the right file, or stop the server and restore a backup: `vestibule restore`"
_DURABLE = {"fsync": error, "full_page_writes": error, "synchronous_commit": warning}
_OLD_MESSAGE, _OLD_KEY = timedelta(minutes=5), timedelta(days=366)
_KEEPS_KEYS = frozenset({"noeviction", "volatile-ttl"})


def _database(settings: Settings) -> Iterator[Finding]:
    now = time()
    try:
        facts = database_facts(settings)
    except SettingsError as fault:
        if isinstance(fault.__cause__, PermissionError):
            raise fault.__cause__ from None
        yield error(str(fault), _FILE_ADVICE if is_embedded(settings) else _SERVER_ADVICE)
        return
    if facts is None:
        yield ok("there is no database yet; the first start makes it")
        return
    yield from _schema(settings, facts)
    yield from _region(settings, facts)
    if facts.latest_event is not None and facts.latest_event > now + MAX_CLOCK_DIFFERENCE:
        yield warning("the newest entry of the audit log is in the future: this clock was set back", "let NTP set the clock")
    if isinstance(facts, SqliteFacts):
        yield from _sqlite(facts)
    if isinstance(facts, PostgresFacts):
        yield from clock_of("PostgreSQL", facts.time, now)
        yield from _postgres(settings, facts)


def _schema(settings: Settings, facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.schema is not None and facts.schema > facts.needed:
        text = f"the schema {facts.schema} is newer than this program's {facts.needed}, which will not start"
        yield error(text, "start the newer program")
    elif facts.schema != facts.needed and not is_embedded(settings):
        yield error(f"the schema is {facts.schema or 'missing'}, and has to be {facts.needed}", "run `vestibule migrate`")
    elif facts.schema != facts.needed:
        yield ok(f"the schema is {facts.schema or 'missing'}; the next start migrates it to {facts.needed}")


def _region(settings: Settings, facts: DatabaseFacts) -> Iterator[Finding]:
    region = settings.default_region or ""
    if facts.mobile_region in (None, region):
        return
    kept, now = (f"the region {one}" if one else "no region" for one in (facts.mobile_region, region))
    text = f"the mobiles were read with {kept}, and VESTIBULE_DEFAULT_REGION has {now}: no server starts"
    back = f"set it to {facts.mobile_region}" if facts.mobile_region else "unset it"
    yield error(text, f"{back}, or see what another region changes: `vestibule accounts rekey --dry-run`")


def _sqlite(facts: SqliteFacts) -> Iterator[Finding]:
    if facts.damage:
        yield error("the database is damaged", "stop the server, and restore the latest backup: `vestibule restore`")
    if not facts.has_wal and facts.schema is not None:
        yield warning("write-ahead logging is off: readers wait for writers", "use a local file system")
    how = "is too large for a quick check here" if facts.damage is None else "is in order"
    if not facts.damage:
        yield ok(f"SQLite {facts.version} ({', '.join(facts.build)}): the file {how}")


def _postgres(settings: Settings, facts: PostgresFacts) -> Iterator[Finding]:
    if facts.is_standby:
        yield error("PostgreSQL is a standby, which takes no changes", "name the primary in VESTIBULE_DATABASE_URL")
    if facts.settings["server_encoding"] != "UTF8":
        text = f"the database has the encoding {facts.settings['server_encoding']}: not every name can be stored"
        yield error(text, "copy it into one with UTF8: `vestibule copy`")
    if facts.has_other_collation:
        text = "the system sorts texts differently since the indexes were made: they may miss rows"
        yield error(text, "run REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION")
    if not facts.is_encrypted and not _is_local(settings):
        yield warning("the connection to PostgreSQL is not encrypted", "add ?sslmode=verify-full to VESTIBULE_DATABASE_URL")
    yield from _durability(facts)
    yield from _connections(settings, facts)


def _durability(facts: PostgresFacts) -> Iterator[Finding]:
    for name, level in _DURABLE.items():
        if facts.settings[name] == "off":
            yield level(f"PostgreSQL has {name} off: a power cut loses acknowledged changes", f"set {name} = on")


def _connections(settings: Settings, facts: PostgresFacts) -> Iterator[Finding]:
    version, needed = facts.version.split()[0], settings.workers * max_connections()
    if needed > facts.connections:
        text = f"{settings.workers} worker(s) open up to {needed} connections, and PostgreSQL grants {facts.connections}"
        yield warning(text, "raise max_connections, or lower VESTIBULE_WORKERS")
    else:
        nodes = facts.connections // needed
        yield ok(f"PostgreSQL {version}: {facts.connections} connections are enough for {nodes} node(s) like this")


def _is_local(settings: Settings) -> bool:
    host = urlsplit(settings.resolved_database_url).hostname
    return host is None or is_loopback(host) or "%2f" in host.lower()


def _keys(settings: Settings) -> Iterator[Finding]:
    file = keys_file(settings)
    for path in (file.parent, file):
        if not settings.secret and path.exists() and not is_private(path):
            text = f"{path} is open to other users, who can log in as anybody"
            yield error(text, f"run chmod go= {path}, then `vestibule keys rotate --kind all --now`")
            return
    try:
        keys = list_keys(settings)
    except SettingsError as fault:
        yield error(str(fault), "restore the keys, or the secret, from a backup")
        return
    missing = list(_missing(settings, keys))
    yield from missing
    yield from _lives(keys)
    yield from _algorithm(settings, keys)
    if not keys and not missing:
        yield ok("there are no keys yet; where there are no accounts, the first start makes them")
    if keys and not settings.secret and not is_embedded(settings):
        yield ok(f"the keys are in {file}, for this node alone; VESTIBULE_SECRET shares them by the database")


def _missing(settings: Settings, keys: Sequence[KeyInfo]) -> Iterator[Finding]:
    with suppress(Unavailable):  # the check of the database says why
        if lacks_secret(settings):
            yield error("the keys in the database are encrypted, and VESTIBULE_SECRET is not set", "set VESTIBULE_SECRET")
        elif not keys and has_accounts(settings):
            yield error("there are accounts, but no keys", "restore the keys from a backup, or run `vestibule keys create`")


def _algorithm(settings: Settings, keys: Sequence[KeyInfo]) -> Iterator[Finding]:
    newest = next((key for key in reversed(keys) if key.kind is KeyKind.SIGNING), None)
    if newest is not None and newest.algorithm != settings.token_algorithm:
        text = f"{newest.name} is a key for {newest.algorithm}, and VESTIBULE_TOKEN_ALGORITHM is {settings.token_algorithm}"
        is_due = rotates_keys(settings, ())
        remedy = "run `vestibule keys rotate`, and copy keys.json to every server"
        yield warning(text, "start the server, which then adds the next key" if is_due else remedy)


def _lives(keys: Sequence[KeyInfo]) -> Iterator[Finding]:
    kinds = {key.kind for key in keys}
    if keys and (missing := [kind.value for kind in KeyKind if kind not in kinds]):
        yield warning(f"there is no key of the kind {', '.join(missing)}; the next start makes one", "look why it is gone")
    now = time()
    for key in keys:
        age = now - key.active_from
        if key.state is KeyState.ACTIVE and key.kind is KeyKind.SIGNING:
            yield ok(f"{key.name} {key.description}")
            if key.active_from > 0 and age > _OLD_KEY.total_seconds():
                yield warning(f"{key.name} signs for {age / 86_400:.0f} days", "run `vestibule keys rotate`")
        elif key.state is KeyState.EXPIRED:
            yield warning(f"{key.name} is {key.description}", "run `vestibule keys prune`")
        elif key.state is not KeyState.ACTIVE:
            yield ok(f"{key.name} is {key.description}")


def _outbox(settings: Settings) -> Iterator[Finding]:
    try:
        backlogs = backlog(settings)
    except (Unavailable, ValueError, ImportError):
        yield ok("not checked: there is no database that can be read")
        return
    now = time()
    total = 0
    for channel, due, since, failed in backlogs:
        total += due
        if since is not None and now - since > _OLD_MESSAGE.total_seconds():
            when = datetime.fromtimestamp(since, UTC)
            who = "look at the log of the server" if settings.delivery else "run `vestibule deliver`"
            yield error(f"{due} {channel.value} message(s) wait, the oldest since {when:%Y-%m-%d %H:%M} UTC", who)
        if failed:
            yield warning(f"{failed} {channel.value} message(s) have failed", "see `vestibule outbox list --failed`")
    yield ok(f"{total} message(s) are due" if total else "no message waits")


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        yield ok("not used")
        return
    now = time()
    try:
        facts = redis_facts(settings)
    except SettingsError as fault:
        yield error(str(fault), "mend VESTIBULE_REDIS_URL")
        return
    except Unavailable as fault:
        why = type(fault.__cause__).__name__
        text = f"Redis does not count ({why}): each process applies the limits by itself"
        yield error(text, "start Redis, or mend VESTIBULE_REDIS_URL: address, password, rights of the user")
        return
    if facts.time is not None:
        yield from clock_of("Redis", facts.time, now)
    if facts.eviction is not None and facts.eviction not in _KEEPS_KEYS:
        text = f"Redis drops any key when its memory is full ({facts.eviction}), and with it limits"
        yield warning(text, "set maxmemory-policy noeviction, or use a Redis of its own")
    yield ok(f"Redis {facts.version or ''} at {facts.where} counts".replace("  ", " "))


def _storage(settings: Settings) -> Iterator[Finding]:
    if not settings.images_url.startswith("s3:"):
        shared = "" if is_embedded(settings) else "; several nodes share them by VESTIBULE_IMAGES_URL=s3://…"
        yield ok(f"images are files in the data directory{shared}")
        return
    try:
        endpoint = probe_storage(settings)
    except SettingsError as fault:
        yield error(str(fault), "mend VESTIBULE_IMAGES_URL, or the AWS_ variables")
    except OSError as fault:
        yield error(f"{settings.images_url}: {fault}", "check the AWS_ variables, the bucket, and the rights of the user")
    else:
        yield ok(f"{settings.images_url}: an object was written, read and deleted")
        if endpoint:
            yield from clock_at("S3", endpoint)


CHECKS: tuple[Check, ...] = (
    check("database", _database, "database_url", "data_dir", "workers", "default_region"),
    check("keys", _keys, "database_url", "data_dir", "secret", "token_algorithm", "keys_rotate_days"),
    check("outbox", _outbox, "database_url", "data_dir", "delivery"),
    check("redis", _redis, "redis_url"),
    check("images", _storage, "images_url", "images_redirect", "database_url"),
)
