"""The child process that decodes: a program of its own, which knows the standard library and Pillow and nothing else.

It answers frames on the socket that is its standard input. Each picture is decoded in a fork that is confined and then
thrown away: what a hostile file breaks there stays there, and neither the next picture nor the next answer is in reach.
"""

import math
import os
import resource
import signal
import socket
import struct
import sys
import warnings
from io import BytesIO

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MOST_PIXELS = 16_800_000
MOST_SIDE = 8192
SIDE = 1024
HEADER = struct.Struct("!cI")
"""Before every answer: what it is, and how many bytes follow. A question has the same, and its first byte says nothing."""

PICTURE, REFUSAL, READY = b"+", b"-", b"!"
_MOST_ANSWER = 8 << 20


class Refused(Exception):
    """In one word why there will be no picture; the server has the sentences."""


def picture(data: bytes) -> bytes:
    """The picture as the port `Images` promises it. Raises `Refused`, and whatever a decoder raises."""
    with Image.open(BytesIO(data), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS or max(opened.size) > MOST_SIDE:
            raise Refused("large")
        upright = ImageOps.exif_transpose(_small(opened))
    mode = "RGBA" if upright.has_transparency_data else "RGB"
    coloured = _in_srgb(upright, mode)
    clean = Image.new(mode, coloured.size)  # a new image has no comment, profile or tag to carry along
    clean.paste(coloured)
    written = BytesIO()
    clean.save(written, "WEBP", quality=85, method=4)
    return written.getvalue()


def _small(image: Image.Image) -> Image.Image:
    """At most `SIDE` a side, in a mode that can be scaled without loss: not a palette, nor a colour that means nothing."""
    if image.mode == "I;16":  # convert() would make white of all but the darkest
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if image.mode not in {"L", "RGB", "RGBA", "CMYK"} or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE, SIDE))
    image.load()
    return image


def _in_srgb(image: Image.Image, mode: str) -> Image.Image:
    """In the colours of sRGB by the image's own profile; as if it had none where the profile is of no use."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            theirs = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, theirs, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            return converted
    return image.convert(mode)


def answer(data: bytes) -> tuple[bytes, bytes]:
    """The picture, or in one word why there is none."""
    try:
        return PICTURE, picture(data)
    except Refused as refused:
        return REFUSAL, str(refused).encode()
    except UnidentifiedImageError:
        return REFUSAL, b"kind"
    except Image.DecompressionBombError:
        return REFUSAL, b"large"
    except MemoryError:
        return REFUSAL, b"memory"
    except Exception:  # noqa: BLE001 - a decoder may raise anything, and all of it means that the file is no good
        return REFUSAL, b"damaged"


def confine(cpu_seconds: int, wall_seconds: float) -> None:
    """Leaves this process its memory, its time and the pipe it holds: it can open nothing, and outlives nobody for long."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    signal.alarm(math.ceil(wall_seconds) + 1)


def decode_apart(data: bytes, cpu_seconds: int, wall_seconds: float) -> tuple[bytes, bytes]:
    """The same as `answer`, out of a fork that is gone afterwards."""
    reader, writer = os.pipe()
    fork = os.fork()
    if fork == 0:
        try:
            os.closerange(0, writer)
            confine(cpu_seconds, wall_seconds)
            with os.fdopen(writer, "wb", closefd=False) as pipe:
                pipe.write(b"".join(answer(data)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answered = pipe.read(_MOST_ANSWER)
    os.kill(fork, signal.SIGKILL)  # it has said what it had to say
    status = os.waitpid(fork, 0)[1]
    if answered[:1] in {PICTURE, REFUSAL}:
        return answered[:1], answered[1:]
    slow = os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGALRM}
    return REFUSAL, b"slow" if slow else b"damaged"


def rehearse() -> None:
    """Loads all that a confined fork will need, by doing the work once with pictures of its own."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in FORMATS:
        file = BytesIO()
        Image.new("RGB", (2, 2)).save(file, kind, icc_profile=profile)
        picture(file.getvalue())


def main(memory_bytes: int, cpu_seconds: int, wall_seconds: float) -> None:
    """Answers until the other end of the socket is closed, as it is when the server ends in whatever way."""
    os.nice(5)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # Pillow refuses twice this, for WebP before there is an image to look at
    if sys.platform == "linux":  # other systems have the limit and do not keep it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rehearse()
    with socket.socket(fileno=0) as channel, channel.makefile("rb") as questions:
        channel.sendall(HEADER.pack(READY, 0))
        while len(header := questions.read(HEADER.size)) == HEADER.size:
            data = questions.read(HEADER.unpack(header)[1])
            kind, body = decode_apart(data, cpu_seconds, wall_seconds)
            channel.sendall(HEADER.pack(kind, len(body)) + body)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
