"""Images as cameras, phones and programs write them: odd ones that browsers show, and files that none shows."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

from hypothesis import strategies as st
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

register_heif_opener()

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIZES = [(1, 1), (1, 7), (7, 1), (1, 3000), (5000, 2), (33, 17), (80, 40), (64, 200), (1500, 1100)]
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
GREYS = [(255,) * 3, (170,) * 3, (85,) * 3, (0,) * 3]
BLACK_AND_WHITE = [(255,) * 3, (0,) * 3, (0,) * 3, (0,) * 3]
MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "WEBP": ["RGB", "RGBA", "L"],
    "GIF": ["1", "L", "P", "RGB"],
    "AVIF": ["RGB", "RGBA", "L"],
    "HEIF": ["RGB", "RGBA", "L"],
}
_TURNED = {1: [0, 1, 2, 3], 2: [1, 0, 3, 2], 3: [3, 2, 1, 0], 4: [2, 3, 0, 1]}
_TURNED |= {5: [0, 2, 1, 3], 6: [2, 0, 3, 1], 7: [3, 1, 2, 0], 8: [1, 3, 0, 2]}


class Odd(NamedTuple):
    """A file; what it shows: its size before scaling, and the colours of its corners, from the top left to the bottom right."""

    description: str
    data: bytes
    size: tuple[int, int]
    corners: Sequence[tuple[int, ...]]


def tiff(entries: Sequence[tuple[int, int, int, bytes]], next_at: int = 0) -> bytes:
    """Returns EXIF with these tags: number, type, count, and the value or its offset in four bytes."""
    rows = b"".join(struct.pack("<HHI4s", tag, kind, count, value) for tag, kind, count, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + struct.pack("<I", next_at)


_ODD_TAGS = [
    (0x011A, 10, 1, struct.pack("<I", 8)),  # a signed resolution, out of other bytes
    (0x011B, 5, 1, b"\xff\xff\xff\xff"),  # beyond the end
    (0x010F, 2, 0, b"\0\0\0\0"),
    (0x0110, 99, 7, b"abcd"),  # of no known type
    (0x0128, 3, 1 << 30, b"\1\0\0\0"),
    (0x8769, 4, 1, struct.pack("<I", 8)),  # a directory in itself
    (0x8825, 4, 1, b"\xf0\xff\0\0"),
    (0x9286, 7, 70_000, b"\0\1\0\0"),
    (0xEA1C, 7, 2060, b"\0\0\0\0"),
    (0x0132, 12, 1, struct.pack("<I", 20)),
]


@st.composite
def exifs(draw: st.DrawFn, orientation: int) -> bytes:
    """Draws EXIF with this orientation among odd tags."""
    tags = draw(st.lists(st.sampled_from(_ODD_TAGS), max_size=4))
    tags.insert(draw(st.integers(0, len(tags))), (0x0112, 3, 1, struct.pack("<HH", orientation, draw(st.sampled_from([0, 9])))))
    minus_a_half = struct.pack("<ii", -1, 2)
    tags.append((0x011A, 10, 1, struct.pack("<I", 8 + 2 + 12 * (len(tags) + 1) + 4)))
    more = draw(st.sampled_from([b"", bytes(60_000), b"\xff" * 999]))
    return tiff(tags, draw(st.sampled_from([0, 8, 0xFFFF_FFF0]))) + minus_a_half + more


BROKEN_EXIFS = [b"", b"Exif", b"II", b"XX*\0\0\0\0\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", bytes(300)]
PROFILES = [b"", SRGB, SRGB[:200], b"no profile", bytes(200_000), bytes(36) + b"acsp" + bytes(88), SRGB[:128] + b"\xff" * 400]


def picture(mode: str, size: tuple[int, int], corners: Sequence[tuple[int, ...]]) -> Image.Image:
    """Returns an image with these colours in its corners."""
    image = Image.new("RGB", size)
    middle = size[0] // 2, size[1] // 2
    for colour, at in zip(corners, [(0, 0), (middle[0], 0), (0, middle[1]), middle], strict=True):
        image.paste(colour, (*at, *size))
    if mode == "CMYK":
        parts = [channel.point(lambda value: 255 - value) for channel in image.split()]
        return Image.merge("CMYK", [*parts, Image.new("L", size)])
    if mode == "I;16":
        return Image.frombytes("I;16", size, bytes(value for level in image.convert("L").tobytes() for value in (0, level)))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    return (
        struct.pack("!I", len(body))
        + name
        + body
        + struct.pack("!I", zlib.crc32(name + body) if checksum is None else checksum)
    )


_SIDE_CHUNKS = [
    chunk(b"tEXt", b"Comment\0hello", 1),
    chunk(b"tEXt", b"Comment\0" + b"long" * 30_000),
    chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(3_000_000))),
    chunk(b"zTXt", b"x"),
    chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0not compressed"),
    chunk(b"iCCP", b"broken\0\0nothing"),
    chunk(b"iCCP", b"broken"),
    chunk(b"pHYs", b"\0\0\0\1"),
    chunk(b"gAMA", b""),
    chunk(b"cHRM", b"\xff" * 7),
    chunk(b"sBIT", b"\xff" * 9),
    chunk(b"tIME", b"\xff" * 7, 0),
    chunk(b"acTL", b"\0\0\0\0\0\0\0\0"),
    chunk(b"acTL", b"\0"),
    chunk(b"fcTL", b"\xff" * 26),
    chunk(b"fdAT", b"\0\0\0\1nothing"),
    chunk(b"vpAg", bytes(9)),
    chunk(b"abCd", b"unknown", 7),
]


@st.composite
def _png(draw: st.DrawFn, image: Image.Image, exif: bytes, profile: bytes) -> bytes:
    options: dict[str, object] = {"compress_level": draw(st.sampled_from([0, 6]))}
    if image.mode in {"L", "RGB"} and draw(st.booleans()):
        options["transparency"] = (1, 2, 3) if image.mode == "RGB" else 77
    if image.mode == "P" and draw(st.booleans()):
        options["transparency"] = b"\xff" * 256
    if draw(st.booleans()) and image.mode == "RGB" and image.width > 1:
        moved = image.rotate(180)
        options |= {"save_all": True, "append_images": [moved], "duration": 50}
    file = saved(image, "PNG", **options)
    end = file.index(b"IDAT") - 4
    before = b"".join(draw(st.lists(st.sampled_from(_SIDE_CHUNKS), max_size=3)))
    if exif:
        before += chunk(b"eXIf", exif, draw(st.sampled_from([None, 5])))
    if profile:
        before += chunk(b"iCCP", b"name\0\0" + zlib.compress(profile))
    after = b"".join(draw(st.lists(st.sampled_from(_SIDE_CHUNKS), max_size=2)))
    ends = [chunk(b"IEND", b""), chunk(b"IEND", b"", 0), b"", b"\0\0\0\0IEND", chunk(b"IEND", b"") + b"garbage" * 99]
    return file[:end] + before + file[end:-12] + after + draw(st.sampled_from(ends))


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0xFF, marker, len(body) + 2) + body


_SIDE_SEGMENTS = [
    segment(0xE0, b"JFIF\0"),
    segment(0xE0, b"JFXX\0\x10" + bytes(40)),
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<not xml"),
    segment(0xE1, b"Exif"),
    segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
    segment(0xE2, b"ICC_PROFILE"),
    segment(0xE2, b"ICC_PROFILE\0\7\1"),
    segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\xff\xff"),
    segment(0xED, b"Photoshop 3.0\x008BIM\xff"),
    segment(0xEE, b"Adobe"),
    segment(0xEC, b"Ducky\0\1"),
    segment(0xFE, b"\xff\xd8\xff\xda a comment"),
    segment(0xEF, b""),
    segment(0xE4, bytes(65_533)) * 3,
    b"\xff\xff\xff",
]


@st.composite
def _jpeg(draw: st.DrawFn, image: Image.Image, exif: bytes, profile: bytes) -> bytes:
    options: dict[str, object] = {
        "progressive": draw(st.booleans()),
        "quality": 92,
        "subsampling": draw(st.sampled_from([0, 1, 2])),
    }
    if draw(st.booleans()):
        options["restart_marker_rows"] = 1
    file = saved(image, "JPEG", **options)
    sides = draw(st.lists(st.sampled_from(_SIDE_SEGMENTS), max_size=4))
    if exif:
        sides.insert(draw(st.integers(0, len(sides))), segment(0xE1, b"Exif\0\0" + exif[:65_000]))
    if profile:
        parts = [profile[at : at + 60_000] for at in range(0, len(profile), 60_000)]
        sides += [segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, 1)]
    ends = [b"\xff\xd9", b"", b"\xff", b"\xff\xd9" + bytes(999), b"\xff\xd9" + file, b"\xff\xd9<html>"]
    # Padding is before the markers of a file, and not among its segments, where its last byte would begin one.
    return file[:2] + b"".join(sides) + file[2:-2] + draw(st.sampled_from(ends))


@st.composite
def _gif(draw: st.DrawFn, image: Image.Image) -> bytes:
    options: dict[str, object] = {"interlace": draw(st.sampled_from([0, 1]))}
    if draw(st.booleans()):
        options |= {"save_all": True, "append_images": [image.rotate(180)], "duration": 20, "loop": 0}
    file = saved(image, "GIF", **options)
    return file[:-1] + draw(st.sampled_from([b";", b"", b"!\xfe\5hello\0;", b"!\xff\x0bXMP DataXMP<xml", b";" + bytes(500)]))


@st.composite
def _webp(draw: st.DrawFn, image: Image.Image, exif: bytes, profile: bytes) -> bytes:
    options: dict[str, object] = {"lossless": draw(st.booleans()), "quality": 92, "method": 0}
    if exif:
        options["exif"] = exif
    if profile:
        options["icc_profile"] = profile
    if draw(st.booleans()):
        options |= {"save_all": True, "append_images": [image.convert("RGBA").rotate(180)], "duration": 20}
    file = saved(image, "WEBP", **options)
    if file[12:16] == b"VP8X" and draw(st.booleans()):
        file += b"odd \3\0\0\0abc\0"
    lengths = [len(file) - 8, len(file) + 100, 0xFFFF_FFF0]
    return file[:4] + struct.pack("<I", draw(st.sampled_from(lengths))) + file[8:]


def _heif(image: Image.Image, kind: str, orientation: int, exif: bytes, profile: bytes) -> bytes:
    """Returns AVIF or HEIC, which keep the orientation apart from EXIF. The odd EXIF takes the place of a plain one."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010E] = orientation, "x" * 3000
    options: dict[str, object] = {"exif": tags.tobytes(), "quality": 92, "max_threads": 1} | (
        {"speed": 10} if kind == "AVIF" else {}
    )
    if profile:
        options["icc_profile"] = profile
    file = saved(image, kind, **options)
    at = max(file.find(b"II*\0"), file.find(b"MM\0*"))
    odd = exif[:3000]
    return file[:at] + odd + file[at + len(odd) :] if at > 0 else file


@st.composite
def odd_images(draw: st.DrawFn) -> Odd:
    """Draws an image that a browser shows."""
    kind = draw(st.sampled_from(sorted(MODES)))
    mode = draw(st.sampled_from(MODES[kind]))
    size = draw(st.sampled_from(SIZES if kind != "HEIF" else [size for size in SIZES if min(size) > 16]))  # the encoder's least
    corners = {"1": BLACK_AND_WHITE, "L": GREYS, "LA": GREYS, "I;16": GREYS}.get(mode, COLOURS)
    image = picture(mode, size, corners)
    orientation = draw(st.integers(1, 8)) if kind != "GIF" else 1
    is_broken = kind != "GIF" and draw(st.sampled_from([False, False, True]))
    exif = draw(st.sampled_from(BROKEN_EXIFS)) if is_broken else draw(exifs(orientation))
    profile = draw(st.sampled_from(PROFILES))
    if kind in {"AVIF", "HEIF"}:
        data = _heif(image, kind, orientation, exif, profile)
    else:
        orientation = 1 if is_broken else orientation
        data = draw(
            {
                "PNG": lambda: _png(image, exif, profile),
                "JPEG": lambda: _jpeg(image, exif, profile),
                "WEBP": lambda: _webp(image, exif, profile),
                "GIF": lambda: _gif(image),
            }[kind]()
        )
    turned = size[::-1] if orientation >= 5 else size
    return Odd(f"{kind} {mode} {size} {orientation}", data, turned, [corners[at] for at in _TURNED[orientation]])


def header_of(kind: str) -> bytes:
    """Returns the beginning of an image, up to its pixels and without any."""
    file = saved(picture("RGB", (80, 40), COLOURS), kind)
    match kind:
        case "PNG":
            return file[: file.index(b"IDAT") + 4]
        case "JPEG":
            at = file.index(b"\xff\xda")
            return file[: at + 2 + int.from_bytes(file[at + 2 : at + 4])]
        case "GIF":
            return file[: file.index(b",\0\0\0\0P\0(\0") + 11]
        case "WEBP":
            return file[:20]
        case _:
            return file[: file.index(b"mdat") + 4]


def with_header_of(width: int, height: int) -> bytes:
    """Returns a PNG with one row whose header claims this size."""
    header = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(101))) + chunk(b"IEND", b"")


_OTHER_FILES = [
    b"just text",
    b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    b"<!doctype html><img src=x>",
    b"%PDF-1.7\n",
    b"PK\3\4" + bytes(60),
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
    b"8BPS\0\1" + bytes(60),
    b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(40),
    b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40),
    *(saved(picture("RGB", (8, 8), COLOURS), kind) for kind in ("BMP", "TIFF", "ICO", "PPM")),
]


def no_images() -> st.SearchStrategy[bytes]:
    """Draws files that no browser shows: of other formats, without pixels, or too large."""
    headers = [header_of(kind) for kind in MODES]
    sizes = st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)).filter(lambda size: size[0] * size[1] > 50_000_000)
    return st.one_of(
        st.sampled_from(_OTHER_FILES),
        st.tuples(st.sampled_from(headers), st.floats(0, 1)).map(lambda drawn: drawn[0][: int(drawn[1] * len(drawn[0]))]),
        sizes.map(lambda size: with_header_of(*size)),
        st.binary(max_size=200).filter(lambda data: not data.startswith(b"GIF8")),  # of which few bytes are an image
        st.tuples(st.sampled_from([header[:12] for header in headers]), st.binary(max_size=8)).map(b"".join),
    )
