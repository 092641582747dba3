"""The contract of `Images` for Pillow: accepted files, their output, and hostile files."""

import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms
from PIL.Image import Transpose
from tests.support.odd_images import Odd, no_images, odd_images, tiff

from vestibule.adapters.images import PassThroughImages, PillowImages
from vestibule.application.ports import Images, UnreadableImage
from vestibule.testing.contracts import ImagesContract
from vestibule.testing.contracts.images import (
    BLUE,
    FORMATS,
    GREEN,
    RED,
    WHITE,
    Colour,
    colour_at,
    file_of,
    four_corners,
    is_near,
    opened,
    plain,
)


@pytest.fixture(scope="module")
def images() -> Iterator[PillowImages]:
    with closing(PillowImages()) as images:
        yield images


def outcome(images: Images, data: bytes) -> str:
    """Returns the format and size, or the reason for the rejection."""
    try:
        result = opened(images.normalise(data))
    except UnreadableImage as refusal:
        return str(refusal)
    return f"{result.format} {result.size}"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    """Returns a PNG whose header may claim any size."""
    header = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class TestPillow(ImagesContract):
    """The contract for Pillow."""


class TestAccepted:
    @pytest.mark.parametrize(
        ("size", "becomes"), [((1, 1), (1, 1)), ((50_000, 1), (1024, 1)), ((2, 60_000), (1, 1024)), ((8160, 6120), (1024, 768))]
    )
    def test_sizes_up_to_50_megapixels_are_accepted(
        self, images: PillowImages, size: tuple[int, int], becomes: tuple[int, int]
    ) -> None:
        assert opened(images.normalise(file_of(plain(size=size), "PNG"))).size == becomes

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("JPEG", {"progressive": True}),
            ("PNG", {"compress_level": 1}),
            ("WEBP", {"method": 0, "quality": 10}),
            ("AVIF", {"quality": 30}),
            ("HEIF", {"quality": 10}),
        ],
    )
    def test_photo_of_49_megapixels_is_accepted(self, images: PillowImages, kind: str, options: dict[str, Any]) -> None:
        """The size of the largest photos of phones."""
        light = Image.effect_noise((504, 378), 80).resize((8064, 6048))
        photo = Image.merge(
            "RGB", (light, Image.linear_gradient("L").resize(light.size), light.transpose(Transpose.ROTATE_180))
        )
        data = file_of(photo.convert("RGBA") if kind == "PNG" else photo, kind, **options)
        assert opened(images.normalise(data)).size == (1024, 768)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_transparency_is_kept(self, images: PillowImages, kind: str) -> None:
        image = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
        image.paste((0, 0, 255, 255), (20, 0, 40, 40))
        result = opened(images.normalise(file_of(image, kind, lossless=True)))
        assert is_near(colour_at(result, 0.25, 0.5), (255, 0, 0, 128))
        assert is_near(colour_at(result, 0.75, 0.5), (0, 0, 255, 255))

    @pytest.mark.parametrize("kind", ["PNG", "GIF"])
    def test_transparent_palette_colour_is_kept(self, images: PillowImages, kind: str) -> None:
        image = Image.new("P", (40, 40), 0)
        image.putpalette([*RED, *GREEN])
        image.paste(1, (20, 0, 40, 40))
        result = opened(images.normalise(file_of(image, kind, transparency=0)))
        assert colour_at(result, 0.25, 0.5)[3] == 0
        assert is_near(colour_at(result, 0.75, 0.5), (*GREEN, 255))

    @pytest.mark.parametrize("value", [0, 20_000, 40_000, 65_535])
    def test_sixteen_bit_grey_keeps_its_brightness(self, images: PillowImages, value: int) -> None:
        result = opened(images.normalise(png(8, 8, (b"\0" + struct.pack("!H", value) * 8) * 8, depth=16, colour=0)))
        assert is_near(colour_at(result, 0.5, 0.5), (value >> 8,) * 3)

    @pytest.mark.parametrize("mode", ["1", "L", "LA"])
    def test_grey_and_bilevel_images_are_accepted(self, images: PillowImages, mode: str) -> None:
        result = opened(images.normalise(file_of(plain(WHITE, mode="RGB").convert(mode), "PNG")))
        assert is_near(colour_at(result, 0.5, 0.5)[:3], WHITE)

    def test_cmyk_image_is_accepted(self, images: PillowImages) -> None:
        result = opened(images.normalise(file_of(plain((0, 255, 255, 0), mode="CMYK"), "JPEG")))
        assert result.mode == "RGB"
        assert is_near(colour_at(result, 0.5, 0.5), RED)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
    def test_first_frame_of_an_animation_is_used(self, images: PillowImages, kind: str) -> None:
        frames = [plain(RED), plain(GREEN), plain(BLUE)]
        moving = file_of(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        result = Image.open(BytesIO(images.normalise(moving)))
        assert getattr(result, "n_frames", 1) == 1
        assert is_near(colour_at(result.convert("RGB"), 0.5, 0.5), RED)

    def test_colours_are_converted_by_the_profile(self, images: PillowImages) -> None:
        usual = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        swapped = usual.replace(b"rXYZ", b"_XYZ").replace(b"bXYZ", b"rXYZ").replace(b"_XYZ", b"bXYZ")
        means_blue = images.normalise(file_of(plain(RED), "PNG", icc_profile=swapped))
        means_red = images.normalise(file_of(plain(RED), "PNG", icc_profile=usual))
        assert is_near(colour_at(opened(means_blue), 0.5, 0.5), BLUE)
        assert is_near(colour_at(opened(means_red), 0.5, 0.5), RED)

    @pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
    def test_truncated_image_is_shown_as_far_as_it_goes(self, images: PillowImages, kind: str, part: float) -> None:
        noise = Image.effect_noise((200, 200), 90)
        whole = file_of(noise, kind, interlace=0)
        result = opened(images.normalise(whole[: int(len(whole) * part)]))
        assert result.size == (200, 200)
        top = (0, 0, 200, int(100 * part))  # GIF compresses the first rows least
        difference = ImageChops.difference(result.crop(top), noise.convert("RGB").crop(top)).tobytes()
        assert sum(difference) / len(difference) < 16

    def test_photo_of_a_camera_with_a_negative_resolution_is_upright(self, images: PillowImages) -> None:
        tags = [(0x0112, 3, 1, b"\6\0\0\0"), (0x011A, 10, 1, struct.pack("<I", 38))]
        exif = b"Exif\0\0" + tiff(tags) + struct.pack("<ii", -1, 2)
        result = opened(images.normalise(file_of(four_corners(), "JPEG", exif=exif)))
        assert result.size == (40, 80)
        assert is_near(colour_at(result, 0.75, 0.25), RED)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
    def test_rotation_of_the_container_is_applied_once(self, images: PillowImages, kind: str, orientation: int) -> None:
        """Both encoders write `irot` and `imir`, and EXIF that may say the same."""
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = opened(images.normalise(file_of(four_corners(), kind, exif=exif.tobytes())))
        same = opened(images.normalise(file_of(four_corners(), "JPEG", exif=exif.tobytes())))
        assert turned.size == same.size
        for x, y in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75)]:
            assert is_near(colour_at(turned, x, y), colour_at(same, x, y))

    def test_heic_of_several_tiles_is_accepted(self, images: PillowImages) -> None:
        """As phones write it: the decoder uses a thread for each tile."""
        result = opened(images.normalise(file_of(four_corners().resize((2048, 1024)), "HEIF", tile_size=512)))
        assert result.size == (1024, 512)
        assert is_near(colour_at(result, 0.75, 0.25), GREEN)

    @pytest.mark.parametrize("value", [0, 20_000, 65_535])
    def test_transparent_grey_of_16_bits_is_kept(self, images: PillowImages, value: int) -> None:
        data = png(8, 8, (b"\0" + struct.pack("!H", value) * 4 + b"\x80\0" * 4) * 8, depth=16, colour=0)
        key = data.index(b"IDAT") - 4
        result = opened(images.normalise(data[:key] + chunk(b"tRNS", struct.pack("!H", value)) + data[key:]))
        assert colour_at(result, 0.2, 0.5)[3] == 0
        assert is_near(colour_at(result, 0.8, 0.5), (128, 128, 128, 255))

    def test_invalid_colour_profile_is_ignored(self, images: PillowImages) -> None:
        result = opened(images.normalise(file_of(plain(RED), "PNG", icc_profile=b"no profile at all")))
        assert is_near(colour_at(result, 0.5, 0.5), RED)


def archive() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("image.png", file_of(plain(), "PNG"))
    return file.getvalue()


NO_IMAGES = {
    "text": b"hello, this is no image",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><img src=x onerror=alert(1)>",
    "zip": archive(),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) (r) file\n",
    "nul": b"\0" * 100,
    "one byte": b"\x89",
    "bmp": file_of(plain(), "BMP"),
    "tiff": file_of(plain(), "TIFF"),
    "ico": file_of(plain(), "ICO"),
    "ppm": file_of(plain(), "PPM"),
    "png magic": b"\x89PNG\r\n\x1a\n",
    "jpeg magic": b"\xff\xd8\xff",
    "gif magic": b"GIF89a",
    "webp magic": b"RIFF\0\0\0\0WEBPVP8 ",
    "png in html": b"<html>" + file_of(plain(), "PNG"),
}


class TestOdd:
    """Whatever a browser shows is accepted, and stored as a browser shows it."""

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(odd=odd_images())
    def test_image_that_browsers_show_is_accepted_and_upright(self, images: PillowImages, odd: Odd) -> None:
        stored = opened(images.normalise(odd.data))
        scale = min(1, 1024 / max(odd.size))
        assert stored.size == tuple(max(1, round(side * scale)) for side in odd.size), odd.description
        if min(odd.size) >= 16:
            found = [colour_at(stored.convert("RGB"), x, y) for y in (0.2, 0.8) for x in (0.2, 0.8)]
            assert all(is_near(a, b) for a, b in zip(found, odd.corners, strict=True)), (odd.description, found)

    @settings(max_examples=100, deadline=None)
    @given(data=no_images())
    def test_file_that_no_browser_shows_is_rejected(self, images: PillowImages, data: bytes) -> None:
        with pytest.raises(UnreadableImage):
            images.normalise(data)


class TestRejected:
    @pytest.mark.parametrize("data", NO_IMAGES.values(), ids=NO_IMAGES.keys())
    def test_unsupported_file_is_rejected(self, images: PillowImages, data: bytes) -> None:
        with pytest.raises(UnreadableImage, match=r"PNG, JPEG, WebP, GIF, HEIC or AVIF|damaged"):
            images.normalise(data)

    def test_empty_file_is_rejected(self, images: PillowImages) -> None:
        with pytest.raises(UnreadableImage, match="The file is empty"):
            images.normalise(b"")

    @pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
    @pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIF"])
    def test_truncated_image_is_rejected(self, images: PillowImages, kind: str, part: float) -> None:
        whole = file_of(Image.effect_noise((200, 200), 90), kind)
        images.normalise(whole)
        with pytest.raises(UnreadableImage, match="damaged"):
            images.normalise(whole[: int(len(whole) * part)])

    @pytest.mark.parametrize(("width", "height"), [(50_000_001, 1), (1, 50_000_001), (7072, 7072), (2**31 - 1, 2**31 - 1)])
    def test_header_with_too_many_pixels_is_rejected(self, images: PillowImages, width: int, height: int) -> None:
        with pytest.raises(UnreadableImage, match=r"too many pixels.*50 million"):
            images.normalise(png(width, height, bytes(99)))

    def test_decompression_bomb_is_rejected(self, images: PillowImages) -> None:
        bomb = png(20_000, 8_900, bytes(1 + 20_000 // 8) * 8_900, depth=1, colour=0)
        assert len(bomb) < 50_000
        with pytest.raises(UnreadableImage, match="too many pixels"):
            images.normalise(bomb)

    def test_webp_header_with_too_many_pixels_is_rejected(self, images: PillowImages) -> None:
        small = bytearray(file_of(plain(mode="RGBA", colour=(1, 2, 3, 4)), "WEBP", lossless=False))
        assert small[12:16] == b"VP8X"
        small[24:30] = (16_382).to_bytes(3, "little") * 2
        with pytest.raises(UnreadableImage, match="too many pixels"):
            images.normalise(bytes(small))

    def test_gif_frame_larger_than_its_canvas_is_rejected(self, images: PillowImages) -> None:
        small = bytearray(file_of(plain(), "GIF"))
        small[6:10] = struct.pack("<HH", 1, 1)
        frame = small.index(b"," + struct.pack("<HHHH", 0, 0, 40, 30))
        small[frame + 5 : frame + 9] = struct.pack("<HH", 9000, 9000)
        with pytest.raises(UnreadableImage, match="too many pixels"):
            images.normalise(bytes(small))

    @settings(max_examples=40, deadline=None)
    @given(st.binary(min_size=1, max_size=300), st.sampled_from([b"", *(file_of(plain(), kind)[:40] for kind in FORMATS)]))
    @example(b"\xff" * 200, b"\xff\xd8\xff\xe0")
    def test_any_bytes_are_decoded_or_rejected(self, images: PillowImages, rest: bytes, start: bytes) -> None:
        assert outcome(images, start + rest).startswith(("WEBP ", "The file is not a PNG", "The image "))

    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from(FORMATS), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8))
    def test_damaged_image_is_decoded_or_rejected(
        self, images: PillowImages, kind: str, damages: list[tuple[float, int]]
    ) -> None:
        data = bytearray(file_of(four_corners(), kind))
        for place, value in damages:
            data[int(place * len(data))] = value
        assert outcome(images, bytes(data)).startswith(("WEBP ", "The file is not a PNG", "The image "))


def test_two_workers_do_not_mix_up_images() -> None:
    colours = [(255, 40 * number, 0) for number in range(6)]
    decoded: dict[Colour, Colour] = {}

    with closing(PillowImages(workers=2)) as two:

        def upload(colour: Colour) -> None:
            decoded[colour] = colour_at(opened(two.normalise(file_of(plain(colour), "PNG"))), 0.5, 0.5)

        threads = [threading.Thread(target=upload, args=(colour,)) for colour in colours]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(is_near(decoded[colour], colour) for colour in colours), decoded


class TestPassThrough:
    @pytest.mark.parametrize("kind", FORMATS)
    def test_pass_through_returns_images_unchanged(self, kind: str) -> None:
        images: Images = PassThroughImages()
        data = file_of(plain(), kind)
        assert images.normalise(data) == data

    @pytest.mark.parametrize("data", [b"", b"text", b"RIFF\0\0\0\0WAVEfmt ", file_of(plain(), "BMP")])
    def test_pass_through_rejects_other_files(self, data: bytes) -> None:
        with pytest.raises(UnreadableImage):
            PassThroughImages().normalise(data)
