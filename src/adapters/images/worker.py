"""The worker process that decodes images: a program that imports only the standard library and Pillow.

Requests and replies are frames on the socket at its standard input. Each image is decoded in a confined fork that ends with
it, so a hostile file can reach neither the next image nor the next reply.
"""

import ctypes
import math
import os
import resource
import signal
import socket
import struct
import sys
import warnings
from contextlib import suppress
from io import BytesIO

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 16_800_000
MAX_SIDE = 8192
OUTPUT_SIDE = 1024
HEADER = struct.Struct("!cI")
"""The head of a reply: its kind, and the length of its body. A request has the same head with an ignored kind."""

IMAGE, REFUSAL, READY = b"+", b"-", b"!"
_MAX_REPLY = 8 << 20
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_UNPRIVILEGED = 65_534
_TIME_IS_UP = {signal.SIGPROF, signal.SIGXCPU, signal.SIGALRM}
"""The signals of the timer and the limit of processor time, and of the timer of wall time."""


class Refused(Exception):
    """The reason in one word; the server has the messages."""


def normalised(data: bytes) -> bytes:
    """Returns the image as the port `Images` promises. Raises `Refused`, and any exception of a decoder."""
    with Image.open(BytesIO(data), formats=FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS or max(opened.size) > MAX_SIDE:
            raise Refused("large")
        upright = ImageOps.exif_transpose(_scaled(opened))
    mode = "RGBA" if upright.has_transparency_data else "RGB"
    coloured = _in_srgb(upright, mode)
    clean = Image.new(mode, coloured.size)  # so that comments, profiles and tags are not copied
    clean.paste(coloured)
    written = BytesIO()
    clean.save(written, "WEBP", quality=85, method=4)
    return written.getvalue()


def _scaled(image: Image.Image) -> Image.Image:
    """Returns at most `OUTPUT_SIDE` pixels a side. Palettes and colour keys are converted first: they cannot be scaled."""
    if image.mode == "I;16":  # convert() would turn all but the darkest pixels white
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if image.mode not in {"L", "RGB", "RGBA", "CMYK"} or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((OUTPUT_SIDE, OUTPUT_SIDE))
    image.load()
    return image


def _in_srgb(image: Image.Image, mode: str) -> Image.Image:
    """Converts the colours to sRGB by the embedded profile; an unusable profile is ignored."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, embedded, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            return converted
    return image.convert(mode)


def reply_to(data: bytes) -> tuple[bytes, bytes]:
    """Returns the kind and body of the reply: the image, or the reason for a refusal in one word."""
    try:
        return IMAGE, normalised(data)
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


def confine(cpu_seconds: float, wall_seconds: float) -> None:
    """Limits this process to its memory, its time and its open pipe: it can open no file and start no process.

    The timer ends it to the hundredth of a second. The limit, which counts whole ones, is for code that stops the timer.
    """
    leave_root()
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(cpu_seconds), math.ceil(cpu_seconds) + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    signal.alarm(math.ceil(wall_seconds) + 1)


def reply_from_fork(data: bytes, cpu_seconds: float, wall_seconds: float) -> tuple[bytes, bytes]:
    """Calls `reply_to` in a confined fork, which ends before this returns."""
    reader, writer = os.pipe()
    fork = os.fork()
    if fork == 0:
        try:
            os.closerange(0, writer)
            confine(cpu_seconds, wall_seconds)
            with os.fdopen(writer, "wb", closefd=False) as pipe:
                pipe.write(b"".join(reply_to(data)))
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
    for kind in FORMATS:
        file = BytesIO()
        Image.new("RGB", (2, 2)).save(file, kind, icc_profile=profile)
        normalised(file.getvalue())


def main(memory_bytes: int, cpu_seconds: float, wall_seconds: float) -> None:
    """Serves requests until the server closes the socket or exits."""
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
