"""The worker process that decodes images: a program that imports only the standard library, Pillow and pillow-heif.

Requests and replies are frames on the socket at its standard input. Each image is decoded in a confined fork that ends with
it, so a hostile file can reach neither the next image nor the next reply.
"""

import ctypes
import errno
import math
import os
import re
import resource
import signal
import socket
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import AvifImagePlugin, Image, ImageCms, ImageFile, UnidentifiedImageError
from PIL.Image import Transpose

try:
    from pillow_heif import register_heif_opener
except ImportError:  # an operator may remove it, for the licence of a library in it
    HAS_HEIF = False
else:
    register_heif_opener(depth_images=False, aux_images=False)
    HAS_HEIF = True

AvifImagePlugin.DEFAULT_MAX_THREADS = 1

MAX_PIXELS = 50_000_000
OUTPUT_SIDE = 1024
CPU_FACTOR_PER_MEGAPIXEL = 0.08
"""An image may take so much more processor time for each megapixel of its header: 50 of them take five times as much as one."""

HEADER = struct.Struct("!cI")
"""The head of a reply: its kind, and the length of its body. A request has the same head with an ignored kind."""

IMAGE, REFUSAL, READY = b"+", b"-", b"!"
_MAX_REPLY = 8 << 20
_MAX_PROFILE = 4 << 20
_STRIP_PIXELS = 4 << 20
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_UNPRIVILEGED = 65_534
_TIME_IS_UP = {signal.SIGPROF, signal.SIGXCPU, signal.SIGALRM}
"""The signals of the timer and the limit of processor time, and of the timer of wall time."""

_PNG, _SOI, _EOI = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd9"
_SOS, _APP0, _APP1, _APP2, _APP14 = 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
_PADDING = {0x00, 0x01, 0xFF, *range(0xD0, 0xD9)}
_SEGMENTS_OF_PIXELS = range(0xC0, 0xE0)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_EXIF_ITEM = re.compile(rb"(?s)(infe(?:\x02.{7}|\x03.{9}))Exif")
_ORIENTATION, _INTEGERS = 0x0112, {3: "H", 4: "I"}
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""The transposition by the value of the EXIF tag orientation."""


class Calls(NamedTuple):
    """The numbers of an architecture's system calls: `clone` starts threads and processes, the others processes or programs."""

    architecture: int
    clone: int
    others: tuple[int, ...]


_CALLS = {
    "x86_64": Calls(0xC000_003E, 56, (57, 58, 59, 322)),  # fork, vfork, execve, execveat
    "aarch64": Calls(0xC000_00B7, 220, (221, 281)),  # execve, execveat
}
_CLONE3, _CLONE_THREAD = 435, 0x10000


class Refused(Exception):
    """The reason in one word; the server has the messages."""


class Source(NamedTuple):
    """A file without what no browser needs to show it, for Pillow's decoder of that format, and the metadata that it needs."""

    format: str
    file: bytes
    exif: bytes = b""
    profile: bytes = b""


def normalised(data: bytes, allow: Callable[[int], object] = bool) -> bytes:
    """Returns the image as the port `Images` promises. Calls `allow` with the number of pixels before it decodes them.

    Raises `Refused`, and any exception of a decoder.
    """
    source = source_of(data)
    # Where a file ends early, browsers show what they have. The decoders of the other formats would return an empty image.
    ImageFile.LOAD_TRUNCATED_IMAGES = source.format in {"PNG", "GIF"}
    with Image.open(BytesIO(source.file), formats=[source.format]) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise Refused("large")
        if source.format == "GIF":
            _require_pixels(data, opened.tile[0].offset)
        allow(opened.width * opened.height)
        exif = source.exif or opened.info.get("exif") or b""
        profile = source.profile or opened.info.get("icc_profile") or b""
        scaled = _scaled(opened)
    mode = "RGBA" if scaled.has_transparency_data else "RGB"
    coloured = _in_srgb(scaled, profile, mode)
    upright = _UPRIGHT.get(_orientation(exif))
    if upright is not None:
        coloured = coloured.transpose(upright)
    clean = Image.new(mode, coloured.size)  # so that comments, profiles and tags are not copied
    clean.paste(coloured)
    written = BytesIO()
    clean.save(written, "WEBP", quality=85, method=4)
    return written.getvalue()


def source_of(data: bytes) -> Source:
    """Recognises the format by the first bytes. Raises `Refused`, and `struct.error` or `IndexError` for a damaged file.

    Decoders of Pillow refuse files for metadata that browsers do not even read, such as a bad tag or a wrong checksum.
    """
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_SOI + b"\xff"):
        return _jpeg(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Source("GIF", data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[4:8] == b"ftyp":
        return _heif(data)
    raise Refused("kind")


def _png(data: bytes) -> Source:
    """Keeps the chunks that hold pixels, with new checksums, and adds a lacking end."""
    chunks = list(_png_chunks(data))
    first = dict(reversed(chunks))
    pixels = b"".join(body for name, body in chunks if name == b"IDAT")
    if len(_inflated(pixels, 2)) < 2:  # noqa: PLR2004 - a row begins with its filter
        raise Refused("damaged")
    depth, colour = first[b"IHDR"][8:10]
    key = first.pop(b"tRNS", b"")
    if len(key) in {0: (2,), 2: (6,), 3: range(1, 257)}.get(colour, ()):
        # Pillow reads 16 bits as 8 and the key as it is.
        first[b"tRNS"] = b"".join(b"\0" + key[at : at + 1] for at in range(0, len(key), 2)) if depth > 8 else key  # noqa: PLR2004
    kept = [(name, first[name]) for name in (b"IHDR", b"PLTE", b"tRNS") if name in first]
    file = _PNG + b"".join(_png_chunk(name, body) for name, body in [*kept, (b"IDAT", pixels), (b"IEND", b"")])
    profile = _inflated(first.get(b"iCCP", b"").partition(b"\0")[2][1:], _MAX_PROFILE)
    return Source("PNG", file, first.get(b"eXIf", b""), profile)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the name and body of each chunk before the end."""
    at, name = len(_PNG), b""
    while at + 8 <= len(data) and name != b"IEND":
        length, name = struct.unpack_from("!I4s", data, at)
        yield name, data[at + 8 : at + 8 + length]
        at += 12 + length


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + name + body + struct.pack("!I", zlib.crc32(name + body))


def _inflated(data: bytes, limit: int) -> bytes:
    """Returns at most so many bytes; none of damaged data."""
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error:
        return b""


def _jpeg(data: bytes) -> Source:
    """Keeps the segments that a decoder needs, and adds a lacking end."""
    kept, exif, profile = [_SOI], b"", dict[int, bytes]()
    for marker, body in _jpeg_segments(data):
        if marker == _SOS:
            kept += body, _EOI
        elif marker == _APP1 and body.startswith(b"Exif\0"):
            exif = exif or body
        elif marker == _APP2 and body[:-2].startswith(b"ICC_PROFILE\0"):  # then the number and the count of these segments
            profile[body[12]] = body[14:]
        else:
            kept.append(_needed_segment(marker, body))
    return Source("JPEG", b"".join(kept), exif, b"".join(profile[number] for number in sorted(profile)))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the marker and body of each segment before the pixels, and last the marker of these and the rest of the file."""
    at = len(_SOI)
    while True:
        at = data.index(b"\xff", at)
        marker = data[at + 1]
        if marker in _PADDING:
            at += 1
            continue
        end = at + 2 + struct.unpack_from("!H", data, at + 2)[0]
        if marker == _SOS:
            if data[end : end + 2] in {b"", _EOI}:
                raise Refused("damaged")
            yield marker, data[at:]
            return
        yield marker, data[at + 4 : end]
        at = end


def _needed_segment(marker: int, body: bytes) -> bytes:
    """Returns the segment; nothing of metadata. Of those that tell the kind of colours, only what they need for that."""
    if marker == _APP0:
        body = b"JFIF\0\1\1\0\0\1\0\1\0\0" if body.startswith(b"JFIF\0") else b""
    elif marker == _APP14:
        body = body[:12] if body.startswith(b"Adobe") and body[11:] else b""
    elif marker not in _SEGMENTS_OF_PIXELS:
        body = b""
    return struct.pack("!BBH", 0xFF, marker, len(body) + 2) + body if body else b""


def _require_pixels(gif: bytes, at: int) -> None:
    """Refuses a GIF whose first frame has no data."""
    if not gif[at : at + 1].strip(b"\0") or not gif[at + 1 :]:
        raise Refused("damaged")


def _webp(data: bytes) -> Source:
    """Corrects a length that is greater than the file's."""
    data += b"\0" * (len(data) % 2)
    length = min(struct.unpack_from("<I", data, 4)[0], len(data) - 8)
    return Source("WEBP", data[:4] + struct.pack("<I", length) + data[8:])


def _heif(data: bytes) -> Source:
    """Renames the item of EXIF, so that no decoder finds it: its orientation is not that of the image."""
    brands = data[8 : struct.unpack_from("!I", data)[0]]
    names = {brands[at : at + 4] for at in range(0, len(brands), 4)}
    if names & {b"avif", b"avis"}:
        return Source("AVIF", _EXIF_ITEM.sub(rb"\1none", data))
    if names & _HEIF_BRANDS and HAS_HEIF:
        return Source("HEIF", _EXIF_ITEM.sub(rb"\1none", data))
    raise Refused("kind")


def _scaled(image: Image.Image) -> Image.Image:
    """Returns at most `OUTPUT_SIDE` pixels a side, in a mode that can be scaled: without a palette, colour key or 16 bits.

    Needs little more memory than the decoder: strips are converted and reduced to about twice the size, then scaled together.
    """
    ratio = min(1, OUTPUT_SIDE / max(image.size))
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    image.draft(None, size)
    image.load()
    width, height = image.size
    across, down = max(1, width // (2 * size[0])), max(1, height // (2 * size[1]))
    rows = max(1, _STRIP_PIXELS // width // down) * down
    strips = (_plain(image.crop((0, top, width, min(top + rows, height)))) for top in range(0, height, rows))
    reduced = [strip.reduce((across, down)) for strip in strips]
    whole = Image.new(reduced[0].mode, (math.ceil(width / across), math.ceil(height / down)))
    for number, strip in enumerate(reduced):
        whole.paste(strip, (0, number * (rows // down)))
    return whole.resize(size)


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # convert() would turn all but the darkest pixels white
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    """Converts the colours to sRGB by the profile; an unusable profile is ignored."""
    if profile:
        try:
            embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, embedded, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            return converted
    return image.convert(mode)


def _orientation(exif: bytes) -> int:
    """Returns the orientation by the first directory of EXIF; 1, upright, if it cannot be read. Skips all other tags."""
    data = exif[6:] if exif.startswith(b"Exif\0") else exif
    order = ">" if data.startswith(b"MM") else "<"
    with suppress(struct.error):
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, at)
            if tag == _ORIENTATION and kind in _INTEGERS:
                return int(struct.unpack_from(order + _INTEGERS[kind], data, at + 8)[0])
    return 1


def reply_to(data: bytes, allow: Callable[[int], object]) -> tuple[bytes, bytes]:
    """Returns the kind and body of the reply: the image, or the reason for a refusal in one word."""
    try:
        return IMAGE, normalised(data, allow)
    except Refused as refused:
        return REFUSAL, str(refused).encode()
    except UnidentifiedImageError:
        return REFUSAL, b"kind"
    except Image.DecompressionBombError:
        return REFUSAL, b"large"
    except MemoryError:
        return REFUSAL, b"memory"
    except Exception:  # noqa: BLE001 - a decoder may raise anything for a damaged file
        return REFUSAL, b"damaged"


def protect() -> None:
    """Hides this process and its forks from each other and from other processes of the user, and makes their rights final.

    A fork that a hostile file has taken over can neither change the worker nor gain rights by a program that it executes. The
    server protects itself in the same way (`inspection.py`).
    """
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def leave_root() -> None:
    """Becomes the user 65534, without rights, if it runs as root, which may inspect protected processes."""
    if os.geteuid() == 0:
        with suppress(OSError):  # a container may permit no other user
            os.setgroups([])
            os.setgid(_UNPRIVILEGED)
            os.setuid(_UNPRIVILEGED)


def forbid_processes() -> bool:
    """Forbids this process to start a process or a program, by a filter of system calls; it may start threads, as libheif does.

    Returns whether it did: only Linux has such filters.
    """
    calls = _CALLS.get(os.uname().machine)
    if sys.platform != "linux" or calls is None:
        return False
    load, equal, above, bits, end = 0x20, 0x15, 0x35, 0x45, 0x06
    # How far behind the tests the rule is that each jumps to: `check` looks at the flags of clone, the others end the filter.
    check, refuse, unknown = 1, 3, 5
    tests = [(above, 0x4000_0000, refuse), *((equal, number, refuse) for number in calls.others)]
    tests += [
        (equal, _CLONE3, unknown),
        (equal, calls.clone, check),
    ]  # without clone3 libraries use clone, whose flags can be read
    rules = [(load, 0, 0, 4), (equal, 1, 0, calls.architecture), (end, 0, 0, 0x8000_0000), (load, 0, 0, 0)]
    rules += [(code, len(tests) - 1 - at + jump, 0, value) for at, (code, value, jump) in enumerate(tests)]
    allowed, denied, not_known = 0x7FFF_0000, 0x0005_0000 | errno.EPERM, 0x0005_0000 | errno.ENOSYS
    rules += [(end, 0, 0, allowed), (load, 0, 0, 16), (bits, 1, 0, _CLONE_THREAD)]
    rules += [(end, 0, 0, value) for value in (denied, allowed, not_known)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(rules), ctypes.addressof(program)))
    return bool(ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def confine(cpu_seconds: float, wall_seconds: float) -> None:
    """Limits this process to its memory, its time and its open pipe: it can open no file and start no process.

    The timer ends it to the hundredth of a second. The limit, which counts whole ones, is for code that stops the timer, and as
    high as `allow_time` may set that for the largest image.
    """
    leave_root()
    allow_time(cpu_seconds, 0)
    longest = math.ceil(_seconds(cpu_seconds, MAX_PIXELS))
    resource.setrlimit(resource.RLIMIT_CPU, (longest, longest + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if not forbid_processes():
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # forbids threads as well, and with them most HEIC files
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    signal.alarm(math.ceil(wall_seconds) + 1)


def allow_time(cpu_seconds: float, pixels: int) -> None:
    """Sets the timer for an image of so many pixels."""
    signal.setitimer(signal.ITIMER_PROF, _seconds(cpu_seconds, pixels))


def _seconds(cpu_seconds: float, pixels: int) -> float:
    return cpu_seconds * (1 + CPU_FACTOR_PER_MEGAPIXEL * pixels / 1_000_000)


def reply_from_fork(data: bytes, cpu_seconds: float, wall_seconds: float) -> tuple[bytes, bytes]:
    """Calls `reply_to` in a confined fork, which ends before this returns."""
    reader, writer = os.pipe()
    fork = os.fork()
    if fork == 0:
        try:
            os.closerange(0, writer)
            confine(cpu_seconds, wall_seconds)
            with os.fdopen(writer, "wb", closefd=False) as pipe:
                pipe.write(b"".join(reply_to(data, partial(allow_time, cpu_seconds))))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        reply = pipe.read(_MAX_REPLY)
    os.kill(fork, signal.SIGKILL)  # the reply is complete, or too long
    status = os.waitpid(fork, 0)[1]
    if reply[:1] in {IMAGE, REFUSAL}:
        return reply[:1], reply[1:]
    slow = os.WIFSIGNALED(status) and os.WTERMSIG(status) in _TIME_IS_UP
    return REFUSAL, b"slow" if slow else b"damaged"


def warm_up() -> None:
    """Decodes one image of each format, which loads all modules and libraries that a confined fork cannot open any more."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "AVIF"):
        file = BytesIO()
        Image.new("RGB", (2, 2)).save(file, kind, icc_profile=profile, exif=exif, max_threads=1)
        normalised(file.getvalue())


def expect_to_die_first() -> None:
    """Lets the kernel end this process before the server if memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main(memory_bytes: int, cpu_seconds: float, wall_seconds: float) -> None:
    """Serves requests until the server closes the socket or exits."""
    expect_to_die_first()
    protect()
    os.nice(5)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses above twice this, for WebP even before `open` returns
    if sys.platform == "linux":  # other systems have the limit and do not enforce it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warm_up()
    with socket.socket(fileno=0) as channel, channel.makefile("rb") as requests:
        channel.sendall(HEADER.pack(READY, 0))
        while len(header := requests.read(HEADER.size)) == HEADER.size:
            data = requests.read(HEADER.unpack(header)[1])
            kind, body = reply_from_fork(data, cpu_seconds, wall_seconds)
            channel.sendall(HEADER.pack(kind, len(body)) + body)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
